"""The main job on real photos: it ends with a contact sheet, and survives what happens to programs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from head3d.export.provenance import read_provenance
from head3d.store import locked
from head3d.subject import Subject
from tests.end_to_end.conftest import QUICK, environment, head3d

STAGES = ["capture", "perception", "fit", "field", "views", "headshots", "report"]


def events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def run_stages(*words: str | Path) -> list[str]:
    """Run with --log-json; the stages that had something to do."""
    done = head3d("run", *words, "--preset", "test", "--log-json", "--consent", "self")
    assert done.returncode == 0, done.stderr
    return [one["stage"] for one in events(done.stdout) if one["event"] == "StageDone" and not one["fresh"]]


def test_leaves_everything_the_readme_lists(finished: Path):
    parts = [
        "subject.json",
        "config.yaml",
        "photos/000.png",
        "photos/photos.json",
        "perception/000.json",
        "perception/000_labels.png",
        "perception/000_matte.png",
        "fit/fit.json",
        "fit/fit.safetensors",
        "fit/head.ply",
        "field/field.json",
        "field/field.safetensors",
        "views/front/color.png",
        "views/front/view.json",
        "headshots/soft-front/front.png",
        "headshots/contact_sheet.jpg",
        "report/report.html",
        "report/report.json",
    ]
    assert [part for part in parts if not (finished / part).is_file()] == []
    ledger = json.loads((finished / "subject.json").read_text())
    assert list(ledger["stages"]) == STAGES
    assert all(stage["peak_rss_mb"] > 50 for stage in ledger["stages"].values())
    assert ledger["consent"]["scope"] == "self"


def test_headshot_shows_somebody_and_names_its_maker(finished: Path):
    picture = cv2.imread(str(finished / "headshots" / "soft-front" / "front.png"))
    assert picture is not None and picture.std() > 10
    assert b"head3d" in (finished / "headshots" / "soft-front" / "front.png").read_bytes()[:4000]


def test_second_run_does_nothing_and_prints_where_to_look(photo: Path, finished: Path):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.png")}
    done = head3d("run", photo, "--out", finished, *QUICK)
    assert done.returncode == 0 and str(finished / "headshots" / "contact_sheet.jpg") in done.stdout
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*.png")} == before


def test_changed_option_redoes_that_stage_and_what_depends_on_it(subject: Path):
    assert run_stages("--out", subject, "--finish.backdrop", "white") == ["headshots", "report"]


def test_what_no_photo_saw_is_not_delivered_and_a_run_with_nothing_else_ends_like_one_without_usable_photos(
    subject: Path,
):
    done = head3d("render", subject, "--views", "front,back", "--size", "64")
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.splitlines()] == ["front_soft-front_64.png"]
    renders = subject / "exports" / "renders"
    assert (renders / "refused" / "back_soft-front_64.png").is_file()
    said = " ".join(done.stderr.split())
    assert "is invented, no photo shows it" in said and "It lies in" in said
    done = head3d("run", "--out", subject, *QUICK, "--gate.warn-invented", "-1", "--gate.refuse-invented", "-1")
    assert done.returncode == 3
    assert "None of the 2 pictures is good enough to be delivered" in done.stderr and "Add a photo" in done.stderr
    assert json.loads((subject / "headshots" / "headshots.json").read_text())["headshots"] == {}
    assert (subject / "headshots" / "refused" / "soft-front" / "front.png").is_file()
    assert (subject / "headshots" / "contact_sheet.jpg").is_file()
    assert "None of these pictures" in (subject / "report" / "report.html").read_text()


def test_truncated_part_is_named_and_rebuilt(subject: Path):
    file = subject / "field" / "field.safetensors"
    with file.open("r+b") as handle:
        handle.truncate(1000)
    done = head3d("run", "--out", subject, *QUICK)
    assert done.returncode == 0
    assert f"{file} was truncated or edited: stage field makes it again." in done.stderr
    assert file.stat().st_size > 1000


def test_truncated_ledger_is_named_and_rebuilt(photo: Path, subject: Path):
    (subject / "subject.json").write_text('{"format"')
    done = head3d("run", photo, "--out", subject, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "subject.json is truncated or was edited" in done.stderr


def test_kill_during_training_loses_only_that_stage_and_resumes(photo: Path, tmp_path: Path):
    out = tmp_path / "me"
    words = ["run", str(photo), "--out", str(out), "--preset", "test", "--log-json", "--consent", "self"]
    words += ["--train.steps", "60", "--train.checkpoint_every", "5"]
    command = [sys.executable, "-m", "head3d.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if json.loads(line)["event"] == "Checkpoint":
                running.send_signal(signal.SIGKILL)
                break
    assert running.returncode == -signal.SIGKILL, "it ended before its first checkpoint"
    done = head3d(*words)
    assert done.returncode == 0, done.stderr
    seen = events(done.stdout)
    assert [one["stage"] for one in seen if one["event"] == "StageDone" and one["fresh"]] == STAGES[:3]
    steps = [one["step"] for one in seen if one["event"] == "TrainStep"]
    assert steps[0] >= 5, "training started over instead of resuming"


def test_kill_at_any_moment_leaves_a_folder_that_goes_on(photo: Path, tmp_path: Path):
    out = tmp_path / "me"
    words = ["run", str(photo), "--out", str(out), *QUICK]
    for seconds in (1.0, 4.0, 7.0):  # while it starts, while it perceives and fits, while it trains
        with subprocess.Popen([sys.executable, "-m", "head3d.cli", *words], env=environment()) as running:
            time.sleep(seconds)
            running.kill()
    done = head3d(*words)
    assert done.returncode == 0, done.stderr
    assert not list(out.rglob("*.tmp")) and not list(out.glob(".*.draft"))


def test_second_run_at_the_same_time_is_told_to_wait(photo: Path, subject: Path):
    with locked(subject, what="me"):
        done = head3d("run", photo, "--out", subject, *QUICK)
    assert done.returncode == 6
    assert f"Another head3d (process {os.getpid()}) is working on {subject}." in done.stderr


def test_names_with_spaces_and_unicode_are_shown_as_they_are(finished: Path):
    status = json.loads(head3d("status", finished, "--json").stdout)
    assert [one["name"] for one in status["photos"]] == ["me & søn 1.JPG"]
    assert status["subject"].endswith("köpfe/the head")


def test_render_makes_other_angles_and_lights(subject: Path):
    done = head3d("render", subject, "--views", "three-quarter-left,30/-10", "--light", "rembrandt", "--size", "64")
    assert done.returncode == 0, done.stderr
    written = [Path(line) for line in done.stdout.splitlines()]
    assert [path.name for path in written] == [
        "three-quarter-left_rembrandt_64.png",
        "yaw+30_pitch-10_rembrandt_64.png",
    ]
    picture = cv2.imread(str(written[0]))
    assert picture is not None and picture.shape == (64, 64, 3)
    assert head3d("run", "--out", subject, *QUICK).stderr == ""


def test_render_takes_maps_lamps_and_backdrops(subject: Path, tmp_path: Path):
    sky = np.full((32, 64, 3), 30, np.uint8)
    sky[8:12, 40:44] = 255
    around, lamps = str(tmp_path / "sky.png"), tmp_path / "key.yaml"
    cv2.imwrite(around, sky)
    lamps.write_text("lamps: [{kind: point, azimuth_deg: 40, elevation_deg: 30}]")
    small = ("--size", "64", "--out", tmp_path / "made")
    for words in (
        ("--light", around, "--light-yaw", "30"),
        ("--light", lamps),
        ("--light", "backdrop", "--backdrop", around),
    ):
        done = head3d("render", subject, *words, *small)
        assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert names == ["front_backdrop_64.png", "front_key_64.png", "front_sky_yaw+30_64.png"]
    changed = ("--views.light", around, "--finish.backdrop-image", around)
    assert head3d("run", "--out", subject, *QUICK, *changed).returncode == 0
    made = Subject(subject).ledger().stages["views"].inputs_sha
    cv2.imwrite(around, sky[:, ::-1])
    assert head3d("run", "--out", subject, *QUICK, *changed).returncode == 0
    assert Subject(subject).ledger().stages["views"].inputs_sha != made


def test_render_under_a_damaged_map_exits_2_in_one_line(subject: Path, tmp_path: Path):
    (tmp_path / "cut.hdr").write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 4 +X 8\n12")
    done = head3d("render", subject, "--light", tmp_path / "cut.hdr")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/cut.hdr: not a readable hdr file.",
        "hint: It may be damaged or of another kind.",
    ]


def test_render_smiles_looks_at_the_camera_and_tells_what_was_seen(subject: Path, tmp_path: Path):
    units = tmp_path / "wink.json"
    units.write_text('{"eyeBlinkLeft": 0.8}')
    done = head3d(
        "render", subject, "--views", "25", "--size", "64", "--expression", "smile:0.6", "--gaze", "camera",
        "--confidence",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert path.name == "yaw+25_pitch+0_soft-front_smile0.6_to-camera_64.png"
    assert b"seen 0." in path.read_bytes()[:4000]
    seen = cv2.imread(str(path.with_name(f"{path.stem}_confidence.png")), cv2.IMREAD_UNCHANGED)
    assert seen is not None and seen.shape == (64, 64) and seen.max() > 150
    done = head3d("render", subject, "--size", "64", "--expression", units)
    assert done.returncode == 0 and Path(done.stdout.strip()).name == "front_soft-front_wink_64.png"


def test_pictures_tell_how_far_past_the_camera_their_eyes_look(finished: Path, subject: Path):
    told = json.loads((finished / "report" / "report.json").read_text())["eye_contact_deg"]
    assert told["front"] < 15 < told["three-quarter-left"]
    noted = read_provenance(finished / "headshots" / "soft-front" / "front.png")["eye_contact"]
    assert float(noted) == pytest.approx(told["front"], abs=0.06)
    done = head3d("render", subject, "--views", "front,8", "--size", "64", "--gaze", "camera")
    assert done.returncode == 0, done.stderr
    for path in done.stdout.splitlines():
        assert float(read_provenance(Path(path))["eye_contact"]) < 3


def test_the_report_has_the_agreement_that_headshots_measured(finished: Path):
    listed = json.loads((finished / "headshots" / "headshots.json").read_text())["consistency"]
    told = json.loads((finished / "report" / "report.json").read_text())["consistency"]
    assert told == listed and told["psnr_db"] > 15


def test_render_of_an_unknown_expression_exits_2(subject: Path):
    done = head3d("render", subject, "--expression", "smirk")
    assert done.returncode == 2 and "no expression 'smirk'" in done.stderr


def test_mostly_invented_views_are_put_aside_with_the_photo_that_would_help(finished: Path):
    told = json.loads((finished / "report" / "report.json").read_text())["sight"]
    listed = json.loads((finished / "headshots" / "headshots.json").read_text())["headshots"]
    assert told["front"]["level"] == "good" and "front" in listed
    for view, one in told.items():
        assert one["seen"] + one["extrapolated"] + one["invented"] > 0.999
        assert (finished / "headshots" / "refused" / "soft-front" / f"{view}.png").exists() == (view not in listed)


def test_render_of_an_unknown_view_exits_2(subject: Path):
    done = head3d("render", subject, "--views", "frnot")
    assert done.returncode == 2 and "frnot" in done.stderr


def test_delete_leaves_nothing(subject: Path):
    assert head3d("delete", subject, "--yes").returncode == 0
    assert not subject.exists()
