"""What is written about a set: numbers that follow from the pictures, a sheet without what was refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from head3d.finish.apply import Headshot
from head3d.imaging.color import levels_from_linear
from head3d.look_sets import looks_of
from head3d.looks import Look
from head3d.quality.gate import Level
from head3d.quality.picture_gate import PictureVerdict
from head3d.quality.picture_numbers import PictureNumbers
from head3d.render.types import RenderOutput, View
from head3d.render.views import named_view
from head3d.set_numbers import Clock, SetNumbers, summary
from head3d.set_record import RecordOptions, SetRecord
from head3d.studio import Picture

SIZE = 96
NUMBERS = PictureNumbers(landmarks=0.02, exposure=60.0, consistency=0.9)
GOOD = PictureVerdict("front", "good", "", -3.0, 0.35, nearest=0.3, numbers=NUMBERS)


@pytest.fixture
def view() -> View:
    return named_view("front", size=(SIZE, SIZE))


def face(level: float = 0.3) -> RenderOutput:
    """A wall of skin where the face is, with air about it."""
    alpha = torch.zeros(SIZE, SIZE)
    alpha[20:70, 25:71] = 1.0
    rgb = torch.full((SIZE, SIZE, 3), level)
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(SIZE, SIZE, 3)
    return RenderOutput(rgb, torch.full((SIZE, SIZE, 3), 0.4), normal, alpha, 1.4 * alpha)


def seen(
    numbers: SetNumbers, view: View, output: RenderOutput, *, own: bool, angle: str = "front", **how: float
) -> None:
    finished = levels_from_linear(output.rgb_linear * how.get("drift", 1.0))
    numbers.see(finished, output, view, gain=1.0, shoulder=0.75, angle=angle, own_clothes=own)


def test_skin_is_compared_with_the_same_head_in_its_own_clothes_whichever_came_first(view: View):
    numbers = SetNumbers()
    seen(numbers, view, face(0.33), own=False)
    seen(numbers, view, face(0.30), own=True)
    seen(numbers, view, face(0.30), own=False, angle="elsewhere")
    garment, own, alone = (row["skin_delta_e"] for row in numbers.rows([GOOD, GOOD, None], ["good", "good", "good"]))
    assert own < 0.3, "finishing alone rounds to eight bits"
    # 116 (0.33 ** (1/3) - 0.30 ** (1/3)) of lightness
    assert garment == pytest.approx(2.51, abs=0.3)
    assert alone is None


def test_what_finishing_does_to_skin_shows_in_own_clothes_too(view: View):
    numbers = SetNumbers()
    seen(numbers, view, face(), own=True, drift=1.1)
    assert numbers.rows([None], ["good"])[0]["skin_delta_e"] > 1.5


def test_outline_and_verdict_are_told(view: View):
    numbers = SetNumbers()
    torn = face()
    torn.alpha[30:34, 30:34] = 0.0
    torn.alpha[4:10, 40:50] = 1.0
    seen(numbers, view, face(), own=True)
    seen(numbers, view, torn, own=True)
    whole, broken = numbers.rows([GOOD, replace(GOOD, level="refused")], ["good", "refused"])
    assert whole["alpha_stray"] == whole["alpha_pieces"] == whole["alpha_gaps"] == 0.0
    assert broken["alpha_pieces"] == 1 and broken["alpha_stray"] > 0.01 and broken["alpha_gaps"] > 0.001
    assert (whole["identity"], whole["identity_nearest"], broken["level"]) == (0.35, 0.3, "refused")
    told = summary([whole, broken])
    assert told["levels"] == {"good": 1, "warned": 0, "refused": 1}
    assert told["alpha_gaps"] == {
        "mean": pytest.approx(broken["alpha_gaps"] / 2, abs=1e-4),
        "interval": [0.0, broken["alpha_gaps"]],
        "worst": broken["alpha_gaps"],
        "of": 2,
    }


def written(
    tmp_path: Path, view: View, looks: list[Look], levels: Sequence[Level], options: RecordOptions
) -> list[Path]:
    record, clock, output = SetRecord(looks, options), Clock(), face()
    for look in looks:
        shot = Headshot(levels_from_linear(output.rgb_linear), look.name, "grey")
        record.see(Picture(look, view, output, None), shot, gain=1.0, shoulder=0.75)
    with clock.spent_on("render"):
        pass
    verdicts = [replace(GOOD, level=level) for level in levels]
    files = [tmp_path / f"{n}.png" for n in range(len(looks))]
    return record.write(tmp_path, files, verdicts, levels, clock, None)


def test_the_sheet_has_a_row_for_each_combination_and_a_hole_for_what_was_refused(tmp_path: Path, view: View):
    looks = looks_of({"views": ["front", "back", "left-20"], "garment": ["own", "suit"]}, where="set")
    levels: list[Level] = ["good", "good", "good", "good", "good", "refused"]
    paths = written(tmp_path, view, looks, levels, RecordOptions(contact_sheet=True))
    assert [path.name for path in paths] == ["contact_sheet.jpg", "contact_sheet.pdf"]
    with Image.open(paths[0]) as sheet:
        pixels = np.asarray(sheet).astype(int)
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 3
    bright = [[pixels[rows // 2 + r * rows, columns // 2 + c * columns].mean() for c in range(3)] for r in range(2)]
    assert np.array(bright)[0].min() > 100 and bright[1][0] > 100 and bright[1][2] < 40, "the last was refused"
    assert not (tmp_path / "numbers.json").exists()


def test_numbers_name_every_picture_and_what_tells_it_from_others(tmp_path: Path, view: View):
    looks = looks_of({"views": ["front"], "garment": ["own", "suit:navy"], "crop": "linkedin"}, where="set")
    assert written(tmp_path, view, looks, ["good", "warned"], RecordOptions(numbers=True)) == []
    told = json.loads((tmp_path / "numbers.json").read_text())
    assert told["summary"]["pictures"] == 2 and "render" in told["seconds"]["wall"]
    own, suit = told["pictures"]
    assert own["file"] == "0.png" and own["crop"] == "linkedin" and "garment" not in own
    assert (suit["garment"], suit["garment_color"], suit["level"]) == ("suit", "navy", "warned")
    assert suit["skin_delta_e"] is not None
    assert (own["landmarks"], own["consistency"], own["eye_contact_deg"]) == (0.02, 0.9, None)
    worst = {name: one["worst"] for name, one in told["summary"].items() if isinstance(one, dict) and "worst" in one}
    assert (worst["landmarks"], worst["consistency"], worst["exposure"]) == (0.02, 0.9, None)
    assert "gate" in told["nets"]
