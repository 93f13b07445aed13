"""The harness of the fuzzing catches what it is there for."""

import shutil
from pathlib import Path

import pytest

from head3d.errors import ConfigError
from tests.fuzz import survival
from tests.fuzz.survival import TookTooLong, survives


def test_an_error_of_ours_is_survived_and_another_is_not():
    def refuse() -> None:
        raise ConfigError("no")

    survives(refuse)
    with pytest.raises(ZeroDivisionError):
        survives(lambda: 1 / 0)


def test_what_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(survival, "LIMIT_S", 0.2)

    def spin() -> None:
        while True:
            pass

    with pytest.raises(TookTooLong):
        survives(spin)


@pytest.mark.parametrize(
    "change",
    [
        lambda place: (place / "a").write_text("x"),
        lambda place: (place / "b").mkdir(),
        lambda place: (place / "c").symlink_to(place),
        lambda place: shutil.rmtree(place / "nothing", ignore_errors=True),
        lambda place: (place / "in" / ".." / "d").open("ab").close(),
    ],
)
def test_what_writes_is_caught_unless_it_stays_inside(change, tmp_path: Path):
    for name in ("in", "out", "other", "other/in", "out/in"):
        (tmp_path / name).mkdir()
    with pytest.raises(AssertionError, match="would have changed"):
        survives(lambda: change(tmp_path / "out"), inside=tmp_path / "in")
    survives(lambda: change(tmp_path / "other"), inside=tmp_path)
