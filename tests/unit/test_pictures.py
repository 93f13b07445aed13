"""What can be asked of a picture, and what is refused before any work."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from head3d.errors import ConfigError
from head3d.events import Event, Notice
from head3d.looks import Look, write_looks
from head3d.pictures import (
    PictureOptions,
    check_picture,
    check_views,
    options_from,
    render_arguments,
    render_asked,
)
from head3d.render.config import LightOptions


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"garment": "suit", "garment_color": "navy,#ffffff"},
        {"garment": "own"},
        {"garment_color": "navy"},
        {"crop": "passport-eu", "size": 300},
        {"light": "photo:a.jpg", "expression": "photo:a.jpg", "light_exposure": "-1.5"},
        {"light": "backdrop", "backdrop": "#102030", "match": "backdrop"},
        {"lens_mm": 35, "crop": "linkedin"},
    ],
)
def test_what_can_be_asked_for(given: dict[str, Any]):
    check_picture(PictureOptions(**given), ["front", "-20/10"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"garment": "toga"}, "no garment 'toga'"),
        ({"garment_color": "navy,white"}, "take one colour"),
        ({"garment_color": "mud"}, "no colour 'mud'"),
        ({"garment": "crew-neck", "garment_color": "navy,white"}, "2 were given"),
        ({"garment": "suit", "garment_color": "#12"}, "no colour '#12'"),
        ({"crop": "postage-stamp"}, "no crop"),
        ({"crop": "linkedin", "focal_mm": 50.0}, "chooses the focal length itself"),
        ({"backdrop_f": -1.0}, "no lens of f/-1"),
        ({"retouch": 2.0}, "not retouched by 2"),
        ({"lens_mm": 20.0}, "frames no head"),
        ({"lens_mm": 85.0, "focal_mm": 50.0}, "how far the camera stands"),
        ({"lens_mm": 85.0, "distance_m": 2.0}, "how far the camera stands"),
        ({"light": "candle"}, "no light 'candle'"),
        ({"light": "none.hdr"}, "no such file"),
        ({"light_exposure": "bright"}, "bright"),
        ({"light_frame": "world"}, "light_frame cannot be 'world'"),
        ({"backdrop": "beach"}, "no backdrop"),
        ({"backdrop": "none.png"}, "none.png"),
        ({"match": "none.png"}, "none.png"),
        ({"expression": "frown"}, "no expression 'frown'"),
        ({"expression": "smile:9"}, "is no smile"),
        ({"expression": "none.json"}, "none.json"),
        ({"gaze": "away"}, "gaze cannot be 'away'"),
        ({"gaze_yaw": -30.0}, "gaze_yaw cannot be -30"),
        ({"gaze_pitch": float("nan")}, "gaze_pitch cannot be nan"),
        ({"format": "bmp"}, "format cannot be 'bmp'"),
        ({"size": 4}, "too small"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(given: dict[str, Any], words: str):
    with pytest.raises(ConfigError) as caught:
        check_picture(PictureOptions(**given), ["front"])
    assert words in caught.value.message


@pytest.mark.parametrize("views", [[], ["sideways"]])
def test_views_are_looked_at_too(views: list[str]):
    with pytest.raises(ConfigError):
        check_picture(PictureOptions(), views)


def test_files_that_are_named_are_opened(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(wall := tmp_path / "wall.png")
    check_picture(PictureOptions(backdrop=str(wall), match=str(wall)), ["front"])
    wall.write_bytes(b"no picture")
    with pytest.raises(Exception, match=r"wall\.png"):
        check_picture(PictureOptions(backdrop=str(wall)), ["front"])


def test_how_the_light_is_put_up_is_one_argument():
    given = render_arguments(PictureOptions(light_yaw=30.0, light_frame="camera", light_exposure="1"))
    assert given["light_options"] == LightOptions(30.0, "camera", "1")
    assert "light_yaw" not in given and given["light"] == "soft-front"


def test_a_lens_says_the_distance():
    assert render_arguments(PictureOptions(lens_mm=35.0))["distance_m"] == pytest.approx(0.601, abs=0.001)
    assert render_arguments(PictureOptions(distance_m=2.0))["distance_m"] == 2.0


def test_yaml_values_become_what_the_options_are():
    told = options_from({"size": "512", "distance_m": 2, "gloss": 1, "enlarge": False, "light_exposure": -1})
    assert told == {"size": 512, "distance_m": 2.0, "gloss": 1.0, "enlarge": False, "light_exposure": "-1"}
    with pytest.raises(ValueError, match="enlarge"):
        options_from({"enlarge": "maybe"})
    with pytest.raises(ValueError, match="big"):
        options_from({"size": "big"})


def test_angles_and_looks_are_made_by_whoever_makes_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from head3d import render_looks, rendering
    from head3d.subject import Consent, Ledger, Subject

    Subject(tmp_path / "me").write_ledger(Ledger(Consent("Ada", "2026-01-02", "self")))
    write_looks(tmp_path / "a.json", [Look(name="one")])
    made: list[Any] = []
    monkeypatch.setattr(rendering, "render_pictures", lambda subject, views, **others: made.append(views) or [])
    monkeypatch.setattr(
        render_looks, "render_looks", lambda subject, looks, **others: made.append((looks, others["size"])) or []
    )
    heard: list[Event] = []

    def make(*views: str) -> list[Any]:
        made.clear()
        heard.clear()
        check_views(PictureOptions(size=64), views)
        render_asked(tmp_path / "me", views, PictureOptions(size=64), emit=heard.append)
        return list(made)

    assert make("front", "30") == [["front", "30"]]
    assert make(str(tmp_path / "a.json")) == [([Look(name="one")], 64)]
    assert make("back", str(tmp_path / "a.json"), "picks") == [["back"], ([Look(name="one")], 64)] and heard == []
    assert make("picks") == []
    (told,) = heard
    assert isinstance(told, Notice) and "has no picks" in told.text


@pytest.mark.parametrize(
    ("views", "given", "words"),
    [
        (["none.json"], {}, "no such file of looks"),
        (["picks"], {"size": 4}, "too small"),
        (["picks"], {"gaze": "away"}, "gaze cannot be"),
        (["picks"], {"match": "none.png"}, "no such portrait"),
        (["picks", "sideways"], {}, "No view"),
    ],
)
def test_mistakes_about_looks_are_told_before_any_work(views: list[str], given: dict[str, Any], words: str):
    with pytest.raises(ConfigError) as caught:
        check_views(PictureOptions(**given), views)
    assert words in caught.value.message
