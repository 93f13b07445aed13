"""From a yaml or folders to subjects: what is taken, what is refused, and when work counts as the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from head3d.batch.plan import Item, parse_shard, read_plan, shard_of
from head3d.errors import ConfigError, ConsentMissing, Head3DError, InputError
from head3d.looks import Look, write_looks

CONSENT = {"by": "Ada", "scope": "self"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ada", "grace", "empty"):
        (tmp_path / name).mkdir()
    for name in ("ada/1.jpg", "ada/2.jpg", "grace/1.JPG"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def plan(folder: Path, text: str, **overrides: Any) -> list[Item]:
    (folder / "jobs.yaml").write_text(text)
    return read_plan(folder / "jobs.yaml", overrides=overrides)


def test_a_folder_of_folders_takes_those_with_photos(folder: Path):
    items = read_plan(folder, overrides={"consent": CONSENT})
    assert [item.name for item in items] == ["ada", "grace"]
    assert [path.name for path in items[0].files()] == ["1.jpg", "2.jpg"]


def test_what_stands_at_the_top_holds_for_all_but_those_who_say_otherwise(folder: Path):
    text = """
preset: fast
consent: {by: Studio, scope: directory, date: "2026-01-02"}
views: [front, 30/-10]
subjects:
  - {name: ada, photos: [ada/*.jpg], options: {train: {steps: 7}}}
  - {name: grace, photos: grace, preset: test, consent: {by: Grace, scope: self}, views: back}
"""
    ada, grace = plan(folder, text)
    assert ada.job.preset == "fast" and grace.job.preset == "test"
    assert ada.job.options == ("--train.steps", "7", "--views.names", "front", "30/-10")
    assert grace.job.options == ("--views.names", "back")
    assert ada.job.consent is not None and ada.job.consent.date == "2026-01-02"
    assert grace.job.consent is not None and grace.job.consent.by == "Grace"
    assert [Path(one).name for one in ada.job.photos] == ["1.jpg", "2.jpg"]
    assert plan(folder, text, preset="cpu")[1].job.preset == "cpu"  # the command line has the last word


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("subjects: [{name: a, photos: [ada]}]", ConsentMissing, "nobody is named"),
        ("subjects: [{name: a, photos: [ada], consent: {by: A}}]", ConsentMissing, "nobody is named"),
        ("subjects: [{name: ../a, photos: [ada]}]", ConfigError, "'../a' cannot be a name"),
        ("subjects: [{name: .a, photos: [ada]}]", ConfigError, "cannot be a name"),
        ("subjects: [{name: a, fotos: [ada]}]", ConfigError, "there is no 'fotos'"),
        ("subject: []", ConfigError, "no list `subjects`"),
        ("subjects: {", ConfigError, "is not yaml"),
        ("subjects: [1]", ConfigError, "subject 1 is not a mapping"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, photos: [no*.jpg]}]", InputError, "no file is called"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, stages: [fitt]}]", ConfigError, "no stage 'fitt'"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a}, {name: A}]", InputError, "two subjects are called"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, options: {train: {stps: 1}}}]", ConfigError, "stps"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, renders: [{lihgt: x}]}]", ConfigError, "no 'lihgt'"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, renders: [{garment: toga}]}]", ConfigError, "no garment"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, renders: [{views: sideways}]}]", ConfigError, "No view"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, renders: [{size: big}]}]", ConfigError, "big"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, renders: [{views: n.json}]}]", ConfigError, "no such file"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, renders: [{views: n*.json}]}]", InputError, "is called n*"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, renders: [{views: picks, size: 4}]}]", ConfigError, "small"),
        ("consent: {by: A, scope: s}\nsubjects: [{name: a, views: [front, picks]}]", ConfigError, "picks holds looks"),
        ("consent: {by: A, scope: s}\nsubjects: []", InputError, "names no subject"),
    ],
)
def test_mistakes_are_told_before_anything_starts(folder: Path, text: str, error: type[Head3DError], words: str):
    with pytest.raises(error) as caught:
        plan(folder, text)
    assert words in caught.value.message


def test_renders_take_what_head3d_render_takes(folder: Path):
    Image.new("RGB", (8, 8)).save(folder / "wall.png")
    text = """
consent: {by: A, scope: s}
subjects:
  - name: a
    renders:
      - {views: [front, 30], garment: suit, garment_color: "navy,white", crop: linkedin, size: "512"}
      - {backdrop: wall.png, light: photo, light_exposure: -1, expression: smile, distance_m: 2, enlarge: false}
"""
    first, second = plan(folder, text)[0].job.pictures
    assert first.views == ("front", "30") and (first.garment, first.garment_color) == ("suit", "navy,white")
    assert (first.crop, first.size, first.folder, second.folder) == ("linkedin", 512, "00", "01")
    assert second.backdrop == str(folder / "wall.png") and second.light_exposure == "-1"
    assert (second.distance_m, second.enlarge, second.size) == (2.0, False, None)
    key = plan(folder, text)[0].key()
    Image.new("RGB", (8, 9)).save(folder / "wall.png")
    assert plan(folder, text)[0].key() != key


LOOKS = """
consent: {by: A, scope: s}
subjects:
  - {name: a, photos: [ada], renders: [{views: [front, "looks/*.json", set.yaml, picks], size: 64}]}
"""


@pytest.fixture
def looks(folder: Path) -> Path:
    """Beside the yaml: two files of looks, and one of a set."""
    (folder / "looks").mkdir()
    for name in ("one", "two"):
        write_looks(folder / "looks" / f"{name}.json", [Look(name=name)])
    (folder / "set.yaml").write_text("views: [left-20, back]")
    return folder


def test_renders_name_files_of_looks_beside_the_yaml(looks: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("/")
    (picture,) = plan(looks, LOOKS)[0].job.pictures
    files = [str(looks / name) for name in ("looks/one.json", "looks/two.json", "set.yaml")]
    assert picture.views == ("front", *files, "picks") and picture.size == 64


def test_the_key_follows_looks_and_the_subjects_picks(looks: Path, tmp_path_factory: pytest.TempPathFactory):
    subject = tmp_path_factory.mktemp("subject")
    keys = [plan(looks, LOOKS)[0].key(), plan(looks, LOOKS)[0].key(subject)]
    assert keys[0] == keys[1]
    (subject / "views").mkdir()
    write_looks(subject / "views" / "mine.json", [Look(name="kept")])
    keys = [keys[0], plan(looks, LOOKS)[0].key(subject)]
    write_looks(looks / "looks" / "two.json", [Look(name="two", yaw_deg=2.0)])
    keys.append(plan(looks, LOOKS)[0].key(subject))
    (looks / "set.yaml").write_text("views: [left-20]")
    keys.append(plan(looks, LOOKS)[0].key(subject))
    assert len(set(keys)) == 4
    moved = tmp_path_factory.mktemp("moved")
    for name in ("ada", "looks", "set.yaml"):
        (looks / name).rename(moved / name)
    assert plan(moved, LOOKS)[0].key(subject) == keys[-1]


def test_the_key_follows_contents_and_options_not_places(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    text = "consent: {by: A, scope: s}\nsubjects: [{name: a, photos: [ada]}]"
    key = plan(folder, text)[0].key()
    assert plan(folder, text)[0].key() == key
    assert plan(folder, text, views=["back"])[0].key() != key
    assert plan(folder, text, consent={"by": "B", "scope": "s"})[0].key() != key
    moved = tmp_path_factory.mktemp("moved")
    (folder / "ada").rename(moved / "ada")
    assert plan(moved, text)[0].key() == key
    (moved / "ada" / "1.jpg").write_bytes(b"another")
    assert plan(moved, text)[0].key() != key


def test_the_key_follows_files_that_options_name(folder: Path):
    wall = folder / "wall.png"
    Image.new("RGB", (8, 8)).save(wall)
    options = f"options: {{finish: {{backdrop_image: {wall}}}, views: {{names: [front]}}}}"
    text = f"consent: {{by: A, scope: s}}\n{options}\nsubjects: [{{name: a, photos: [ada]}}]"
    key = plan(folder, text)[0].key()
    Image.new("RGB", (8, 9)).save(wall)
    assert plan(folder, text)[0].key() != key


def test_the_key_follows_the_pictures_and_cameras_of_a_capture(folder: Path):
    capture = folder / "scan"
    (capture / "images").mkdir(parents=True)
    (capture / "images" / "0.png").write_bytes(b"a picture")
    frame = {"file_path": "images/0.png", "transform_matrix": np.eye(4).tolist()}
    told = {"fl_x": 100.0, "w": 64, "h": 64, "frames": [frame]}
    (capture / "transforms.json").write_text(json.dumps(told))
    text = "consent: {by: A, scope: s}\nsubjects: [{name: a, photos: [scan]}]"
    (item,) = plan(folder, text)
    assert [one.name for one in item.files()] == ["transforms.json", "0.png"]
    key = item.key()
    (capture / "images" / "0.png").write_bytes(b"another")
    other = plan(folder, text)[0].key()
    (capture / "transforms.json").write_text(json.dumps({**told, "fl_x": 120.0}))
    assert len({key, other, plan(folder, text)[0].key()}) == 3


def test_what_capture_passes_over_is_no_part_of_the_key(folder: Path):
    text = "consent: {by: A, scope: s}\nsubjects: [{name: a, photos: [ada]}]"
    key = plan(folder, text)[0].key()
    (folder / "ada" / "._1.jpg").write_bytes(b"what macOS leaves beside a file")
    assert plan(folder, text)[0].key() == key


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_are_all_of_it_and_nothing_twice(folder: Path, count: int):
    items = read_plan(folder, overrides={"consent": CONSENT}) * 3
    shards = [shard_of(items, f"{index}/{count}") for index in range(count)]
    assert sorted(item.name for shard in shards for item in shard) == sorted(item.name for item in items)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("shard", ["1/1", "-1/2", "a/b", "1", "2/1", "0/0"])
def test_shards_that_cannot_be(shard: str):
    with pytest.raises(ConfigError):
        parse_shard(shard)
