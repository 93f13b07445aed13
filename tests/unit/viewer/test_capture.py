"""Who is meant on a photo of several people, what a run is told, and what is seen of it."""

import base64
import json
from io import StringIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from head3d.capture.types import Photo, Verdict
from head3d.errors import InputError
from head3d.perception import observe
from head3d.subject import Subject
from head3d.viewer import capture as module  # pyright: ignore[reportMissingImports]
from head3d.viewer import judging  # pyright: ignore[reportMissingImports]
from head3d.viewer.capture import Capture  # pyright: ignore[reportMissingImports]
from head3d.viewer.hub import Hub  # pyright: ignore[reportMissingImports]
from head3d.viewer.judging import for_run  # pyright: ignore[reportMissingImports]

BOXES = [[0.1, 0.1, 0.3, 0.4], [0.6, 0.1, 0.8, 0.4]]


class Judge:
    """Stands for perception: files called crowd... show two people, of whom it tells nothing by itself."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int | None, str | None]] = []

    def __call__(self, path: Path, *, face: int | None = None, after: Path | None = None) -> dict[str, Any]:
        content = path.read_text()
        self.asked.append((content, face, after.read_text() if after else None))
        crowd = content.startswith("crowd")
        unclear = crowd and face is None
        good = not unclear and content != "crowd, blurred"
        said = {"accepted": good, "reasons": [] if good else ["not this one"], "warnings": [], "chosen": False}
        return {**said, "faces": BOXES if crowd else [], "face": face if crowd else None, "crowd": unclear}


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    made = Judge()
    monkeypatch.setattr(module, "judge", made)
    return made


@pytest.fixture
def page(tmp_path: Path, judge: Judge) -> Capture:
    return Capture(Subject(tmp_path / "ada"), Hub())


def names(photos: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in photos]


def test_a_crowd_waits_for_a_choice_and_then_goes_first(page: Capture, judge: Judge):
    page.add("lone.jpg", b"lone")
    crowd = page.add("pair.jpg", b"crowd, one")
    assert crowd["crowd"] and not crowd["accepted"] and names(for_run(page.photos())) == ["lone.jpg"]
    told = page.choose(crowd["id"], 1)
    assert told["accepted"] and told["chosen"] and told["face"] == 1
    assert names(for_run(page.photos())) == ["pair.jpg", "lone.jpg"]


def test_on_other_crowds_the_same_person_is_looked_for(page: Capture, judge: Judge):
    first, second = page.add("a.jpg", b"crowd, one"), page.add("b.jpg", b"crowd, two")
    page.choose(first["id"], 0)
    assert ("crowd, two", 0, "crowd, one") in judge.asked
    late = page.add("c.jpg", b"crowd, late")
    assert late["accepted"] and judge.asked[-1] == ("crowd, late", 0, "crowd, one")
    page.choose(second["id"], 1)
    assert [one["chosen"] for one in sorted(page.photos(), key=lambda one: one["name"])] == [False, True, False]
    assert names(for_run(page.photos()))[0] == "b.jpg"


def test_without_the_photo_of_the_choice_nobody_is_meant_any_more(page: Capture, judge: Judge):
    first = page.add("a.jpg", b"crowd, one")
    page.add("b.jpg", b"crowd, two")
    page.choose(first["id"], 0)
    page.remove(first["id"])
    (left,) = page.photos()
    assert left["crowd"] and not left["accepted"] and for_run(page.photos()) == []


def test_a_blurred_face_still_tells_who_is_meant_where_others_are_good(page: Capture, judge: Judge):
    blurred = page.add("a.jpg", b"crowd, blurred")
    page.choose(blurred["id"], 1)
    assert for_run(page.photos()) == []
    page.add("b.jpg", b"crowd, two")
    assert names(for_run(page.photos())) == ["a.jpg", "b.jpg"]


def test_a_face_that_is_not_there_cannot_be_chosen(page: Capture, judge: Judge):
    lone, crowd = page.add("a.jpg", b"lone"), page.add("b.jpg", b"crowd, one")
    for ident, face in ((lone["id"], 0), (crowd["id"], 2), (crowd["id"], -1), ("0" * 12, 0)):
        with pytest.raises(InputError):
            page.choose(ident, face)


def test_the_run_is_told_who_is_meant(page: Capture, judge: Judge, monkeypatch: pytest.MonkeyPatch):
    heard: list[list[str]] = []

    class Started:
        def __init__(self, command: list[str], **how: Any) -> None:
            heard.append(command)

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(module.subprocess, "Popen", Started)
    monkeypatch.setattr(page, "_follow", lambda process: None)
    # under that preset the two faces have changed places
    monkeypatch.setattr(module, "face_under", lambda preset, photos, inbox: 1 - photos[0]["face"])
    crowd = page.add("pair.jpg", b"crowd, one")
    page.choose(crowd["id"], 1)
    page.start(consent=True, by="Ada", scope="self", preset="cpu")
    assert heard[0][heard[0].index("--face") + 1] == "0" and "--previews" in heard[0]


class Running:
    """A run that says some lines and then ends."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.stdout, self.stderr = StringIO("".join(json.dumps(one) + "\n" for one in events)), StringIO()
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code

    def wait(self, seconds: float = 0.0) -> int:
        self.code = 0
        return self.code

    kill = wait


def test_the_head_in_training_is_seen_while_it_is_trained_and_not_after(page: Capture, monkeypatch: pytest.MonkeyPatch):
    jpeg = base64.b64encode(b"a face").decode()
    process = Running({"event": "TrainStep", "step": 10}, {"event": "Preview", "step": 10, "jpeg_base64": jpeg})
    said: list[tuple[str, dict[str, Any], bytes, int | None]] = []
    monkeypatch.setattr(
        page.hub, "say", lambda name, told: said.append((name, told, page.preview(), page.state()["preview"]))
    )
    monkeypatch.setattr(page, "_process", process)
    assert page.preview() == b"" and page.state()["preview"] is None
    page._follow(cast(Any, process))
    assert said[1] == ("Preview", {"event": "Preview", "step": 10, "run": True}, b"a face", 10)
    assert said[2][0] == "RunEnded" and said[2][2:] == (b"", None)
    assert [one["event"] for one in page.events] == ["TrainStep"]  # the picture is kept nowhere else


def test_erasing_a_person_in_training_leaves_no_picture(page: Capture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "_process", Running())
    monkeypatch.setattr(page, "_preview", (10, b"a face"))
    assert page.preview() == b"a face"
    page.erase("ada")
    assert page.preview() == b"" and page._preview == (0, b"")


class TestVideos:
    CLIP = b"\0\0\0\x18ftypmp42 a clip"

    def test_a_short_video_is_taken_and_given_to_the_run(self, page: Capture, judge: Judge):
        taken = page.add("turning.MP4", self.CLIP)
        assert taken["video"] and taken["accepted"] and taken["file"] == f"{taken['id']}.mp4"
        assert page.add("again.mp4", self.CLIP)["id"] == taken["id"]
        assert names(for_run(page.photos())) == ["again.mp4"]
        assert not page.add("lone.jpg", b"lone")["video"]

    def test_one_is_enough(self, page: Capture, judge: Judge):
        taken = page.add("a.mp4", self.CLIP)
        with pytest.raises(InputError, match="a video already"):
            page.add("b.mp4", self.CLIP + b" more")
        page.remove(taken["id"])
        assert page.add("b.mp4", self.CLIP + b" more")["accepted"]

    @pytest.mark.parametrize(
        "content", [b"", b"#EXTM3U\n/etc/passwd", b"ffconcat version 1.0\nfile x", b"RIFF\0\0\0\0WAVE"]
    )
    def test_what_only_calls_itself_a_video_is_not_opened(self, page: Capture, judge: Judge, content: bytes):
        with pytest.raises(InputError, match="is no video"):
            page.add("a.mp4", content)
        assert judge.asked == [] and page.photos() == []

    @pytest.mark.parametrize("good", [(), (1, 2)], ids=["no frame", "some frames"])
    def test_a_good_frame_makes_a_good_video(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: tuple[int]):
        grey = np.full((64, 48, 3), 90, np.uint8)
        frames = [Photo(f"v.mp4@{k}.0s", grey, None, str(k), video="v.mp4") for k in range(3)]
        told = [Verdict(one.name, k in good, () if k in good else ("blurred",)) for k, one in enumerate(frames)]
        monkeypatch.setattr(judging, "gather", lambda paths, config: (frames, [Verdict("v.mp4", True)]))
        monkeypatch.setattr(observe, "observe", lambda photos, **how: ([], told))
        (tmp_path / "v.mp4").write_bytes(self.CLIP)
        said = judging.judge(tmp_path / "v.mp4")
        assert said["accepted"] == bool(good) and said["reasons"] == ([] if good else ["blurred"])
        assert not said["crowd"] and (tmp_path / "v.thumb").stat().st_size > 100


def test_a_run_that_ended_without_a_word_is_told_with_what_to_do():
    assert "memory ran out" in module.unexplained(-9) and "Go on" in module.unexplained(-9)
    assert "code 7" in module.unexplained(7) and "Go on" in module.unexplained(7)
