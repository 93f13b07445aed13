"""What was promised stays: texts people read, and folders written by earlier versions."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from head3d import cli
from head3d.errors import Head3DError
from head3d.subject import Subject
from tests.golden.make_folder import sample_view

HERE = Path(__file__).parent


def test_overview_of_the_commands(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["--help"]) == 0
    assert capsys.readouterr().out == (HERE / "overview.txt").read_text()


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    if command == "presets":
        pytest.skip("takes names of presets only")
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code in (0, None)
    assert f"head3d {command}" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted((HERE / "bench").glob("*.json")), ids=lambda path: path.stem)
def test_numbers_are_kept_without_the_places_of_a_machine(path: Path):
    text = path.read_text(encoding="utf-8")
    json.loads(text)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|mnt|work|Users)/", text)


def test_a_glbs_turntable_was_near_the_fields():
    found = json.loads((HERE / "bench" / "export_P001.json").read_text())
    assert len(found["views"]) == 8 and found["command"].startswith("head3d bench export")
    assert min(view["psnr_db"] for view in found["views"]) > 30 and found["silhouette_iou"] > 0.98


TEXTS = [
    (["rnu"], 2, "error: There is no command 'rnu'.\nhint: Perhaps you meant `head3d run`.\n"),
    (["run"], 3, "error: No photos given.\nhint: head3d run PHOTO... --out FOLDER\n"),
    (
        ["run", "no such.jpg"],
        3,
        "error: no such.jpg: no such file or folder.\nhint: Check the spelling; quote names with spaces.\n",
    ),
    (
        ["run", "a.jpg", "--preset", "qualty"],
        2,
        "error: There is no preset 'qualty'.\nhint: Perhaps you meant quality.\n",
    ),
    (
        ["status", "nowhere"],
        3,
        "error: nowhere is not a subject folder.\nhint: Make one: head3d run PHOTO... --out FOLDER\n",
    ),
    (
        ["sample-photos", "x", "--person", "P999"],
        2,
        "error: There are no sample photos of 'P999'.\nhint: Choose one of P001, P002, P005, P006, P007, P009, P010.\n",
    ),
]


@pytest.mark.parametrize(("words", "code", "text"), TEXTS, ids=[" ".join(words) for words, _, _ in TEXTS])
def test_error_texts(
    words: list[str],
    code: int,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == code
    said = capsys.readouterr().err
    assert said.endswith(text), said


def test_every_error_has_its_exit_code():
    codes = {
        "InputError": 3,
        "NoFaceFound": 3,
        "ManyFaces": 3,
        "PhotoUnusable": 3,
        "TooFewPhotos": 3,
        "ConsentMissing": 3,
        "NothingDelivered": 3,
        "ConfigError": 2,
        "WeightsMissing": 4,
        "KernelBuildError": 5,
        "CompilerFailed": 5,
        "FormatError": 6,
        "FormatTooNew": 6,
        "CorruptPart": 6,
        "StorageError": 6,
        "SubjectBusy": 6,
        "FitFailed": 7,
        "TrainDiverged": 7,
    }

    def family(kind: type[Head3DError]) -> dict[str, int]:
        # those of the server are answers over HTTP, those of a cluster are asked again: no exit codes
        within = ("head3d.serve", "head3d.jobs")
        own = [one for one in kind.__subclasses__() if not one.__module__.startswith(within)]
        found = {one.__name__: one.exit_code for one in own}
        for one in own:
            found |= family(one)
        return found

    assert family(Head3DError) == codes


def test_a_folder_of_format_1_still_loads():
    subject = Subject(HERE / "folder_v1")
    ledger = subject.ledger()
    assert ledger.consent.by == "Ada" and ledger.stages["capture"].seconds == 1.5
    photo = subject.photos()[0]
    assert photo.name == "å photo.jpg" and photo.focal_px == 1234.5 and photo.rgb_srgb[3, 3, 2] == 47


def test_a_view_comes_back_within_sixteen_bits():
    (output, view), (made, camera_view) = Subject(HERE / "folder_v1").views()[0], sample_view()
    assert torch.allclose(output.rgb_linear, made.rgb_linear, atol=2e-4)  # 16 bits of sRGB, highlight at 2.0
    assert torch.allclose(output.normal, made.normal, atol=1e-4)
    assert np.allclose(output.depth_m, made.depth_m, atol=6e-5)
    assert torch.equal(view.camera.K, camera_view.camera.K) and torch.equal(view.lighting.sh, camera_view.lighting.sh)
