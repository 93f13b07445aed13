"""The bench of whole sets: what it asks for, and what it makes of the numbers of a set."""

from pathlib import Path

import pytest

from head3d import bench_studio, store
from head3d.bench_studio import SET, StudioBench
from head3d.errors import ConfigError
from head3d.look_sets import looks_of
from head3d.set_record import NUMBERS_KIND, NUMBERS_VERSION
from head3d.subject import Subject


def test_the_usual_set_is_every_combination_of_seven_angles():
    looks = looks_of(SET, where="here")
    assert len(looks) == 7 * 2 * 2 * 2
    assert len({(one.name, one.crop, one.garment, one.backdrop) for one in looks}) == len(looks)


def test_subjects_of_one_name_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="one or more"):
        bench_studio.main([str(tmp_path / "a" / "me"), str(tmp_path / "b" / "me")])


def test_seconds_are_told_per_picture_without_those_of_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    numbers = {
        "summary": {"pictures": 4},
        "seconds": {"wall": {"render": 6.0, "finish": 2.0, "record": 40.0}, "cpu": {"render": 10.0, "record": 50.0}},
        "pictures": [{"file": "front.png"}],
    }
    asked = {}

    def rendered(subject: Subject, looks, *, size, record, out: Path, emit) -> None:
        asked.update(looks=len(looks), size=size, record=record)
        out.mkdir(parents=True)
        store.write_json(out / "numbers.json", numbers, kind=NUMBERS_KIND, version=NUMBERS_VERSION)

    monkeypatch.setattr(Subject, "require", lambda self: self)
    monkeypatch.setattr(bench_studio, "render_looks", rendered)
    report = bench_studio.bench_studio(StudioBench((tmp_path / "me",), size=512, pictures=tmp_path / "sets"))
    assert asked["looks"] == 56 and asked["size"] == 512
    assert asked["record"].contact_sheet and asked["record"].numbers
    told = report["subjects"]["me"]
    assert told["seconds_per_picture"] == {"wall": 2.0, "cpu": 2.5}
    assert told["pictures"] == [{"file": "front.png"}]
