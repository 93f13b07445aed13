"""What people and programs see of the event stream."""

import io
import json

import pytest

from head3d.console import format_rate, format_seconds, listen, print_error
from head3d.events import (
    Checkpoint,
    EvalStep,
    Event,
    LearnStep,
    Notice,
    Preview,
    Progress,
    StageDone,
    StageStart,
    TrainStep,
)

STREAM: tuple[Event, ...] = (
    StageStart("field", 100),
    TrainStep(1, 100, 0.5, 2.5e6),
    EvalStep(1, 25.0),
    LearnStep(20, 0.25, 0.5, 1.5),
    Checkpoint(1, "x"),
    Preview(1, "/9j/"),
    Notice("photo a.jpg: [bold] blurred", "warning"),
    Progress("views", 1, 5, "front"),
    StageDone("field", 12.0),
    StageDone("views", 1.0, fresh=True),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(mode: str, err: io.StringIO | None = None) -> tuple[str, str]:
    err, out = err or io.StringIO(), io.StringIO()
    with listen(mode, err=err, out=out) as emit:  # type: ignore[arg-type]
        for event in STREAM:
            emit(event)
    return out.getvalue(), err.getvalue()


def test_json_is_one_object_a_line_on_standard_output():
    out, err = show("json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in lines] == [type(event).__name__ for event in STREAM]
    assert lines[1]["rays_per_s"] == 2.5e6 and not err


def test_json_has_no_nan():
    out = io.StringIO()
    with listen("json", out=out) as emit:
        emit(TrainStep(1, 2, float("nan"), 1.0))
    assert json.loads(out.getvalue(), parse_constant=pytest.fail)["loss"] is None


def test_plain_lines_have_no_control_characters():
    out, err = show("auto")
    assert not out and "\x1b" not in err and "\r" not in err
    assert "field ..." in err and "field: done in 12 s" in err and "views: nothing to do" in err
    assert "warning: photo a.jpg: [bold] blurred" in err
    assert "/9j/" not in err
    assert "step 20, loss 0.5000, 1.50 samples/s, 25% of the time" in err


def test_quiet_says_warnings_only():
    assert show("quiet") == ("", "warning: photo a.jpg: [bold] blurred\n")


def test_a_terminal_gets_bars_with_rate_and_the_text_as_it_is():
    _, err = show("auto", Terminal())
    assert "2.5 M rays/s" in err or "12 s" in err
    assert "[bold] blurred" in err


def test_errors_are_one_line_and_one_hint():
    err = io.StringIO()
    print_error("a [b] c.", hint="do this. " * 30, err=err)
    assert err.getvalue().splitlines()[0] == "error: a [b] c."
    assert len(err.getvalue().splitlines()) == 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.84, "0.8 s"), (59.6, "1 min 0 s"), (3599.9, "1 h 0 min"), (10, "10 s")]
)
def test_durations_read_naturally(seconds: float, text: str):
    assert format_seconds(seconds) == text


def test_rates_have_a_unit_that_fits():
    assert format_rate(1.26e6) == "1.3 M rays/s" and format_rate(5400.0) == "5 k rays/s"
