"""Photos from and results to places behind URLs: fsspec's own memory stands for a store, and a folder is one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from head3d.batch.plan import read_plan
from head3d.errors import ConfigError, InputError
from head3d.jobs.remote import MARK, fetch, forget, is_url, remote_files, send
from head3d.jobs.spec import JobSpec
from head3d.jobs.worker import work

Shop = tuple[str, Any, str]


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    for name in ("ada/1.jpg", "ada/2.JPG", "ada/notes.txt", "ada/more/1.jpg"):
        files.pipe_file(f"/shop/{name}", name.encode())
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture(params=["memory", "file"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """A store with Ada's photos: its URL, its file system, and its place there."""
    if request.param == "memory":
        return "memory://shop", request.getfixturevalue("memory"), "/shop"
    place = tmp_path / "a shop"
    for name in ("ada/1.jpg", "ada/2.JPG", "ada/notes.txt", "ada/more/1.jpg"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(name.encode())
    return f"file://{place}", fsspec.filesystem("file"), str(place)


@pytest.mark.parametrize(
    ("text", "known"),
    [("s3://b/a.jpg", True), ("file:///a", True), ("a/b.jpg", False), ("/a:b//c", False), ("://x", False)],
)
def test_urls_are_told_from_paths(text: str, known: bool):
    assert is_url(text) is known


def test_a_file_a_folder_and_a_pattern_name_photos(shop: Shop):
    url, _, place = shop
    assert [one for one, _ in remote_files(f"{url}/ada/1.jpg")] == [f"{place}/ada/1.jpg"]
    assert [one for one, _ in remote_files(f"{url}/ada")] == [f"{place}/ada/1.jpg", f"{place}/ada/2.JPG"]
    assert len(remote_files(f"{url}/ada/**/*.jpg")) == 2


def test_what_was_fetched_is_fetched_again_only_when_it_changed(shop: Shop, tmp_path: Path):
    url, files, place = shop
    here = fetch([f"{url}/ada", f"{url}/ada/more/1.jpg", str(tmp_path / "own.jpg")], tmp_path / "cache")
    assert [one.name for one in here] == ["1.jpg", "2.JPG", "1.jpg", "own.jpg"]
    assert here[0].read_bytes() == b"ada/1.jpg" and here[2].read_bytes() == b"ada/more/1.jpg"
    here[0].write_bytes(b"kept")
    assert fetch([f"{url}/ada/1.jpg"], tmp_path / "cache")[0].read_bytes() == b"kept"
    files.pipe_file(f"{place}/ada/1.jpg", b"a new one")
    assert fetch([f"{url}/ada/1.jpg"], tmp_path / "cache")[0].read_bytes() == b"a new one"
    forget(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_results_are_whole_when_their_mark_is_there(shop: Shop, tmp_path: Path):
    url, files, place = shop
    (tmp_path / "headshots").mkdir()
    (tmp_path / "headshots" / "front.png").write_bytes(b"a picture")
    send(tmp_path, ["headshots/front.png"], f"{url}/out/ada")
    assert files.cat_file(f"{place}/out/ada/headshots/front.png") == b"a picture"
    assert json.loads(files.cat_file(f"{place}/out/ada/{MARK}")) == {"files": ["headshots/front.png"]}
    with pytest.raises(InputError):
        send(tmp_path, ["gone.png"], f"{url}/out/ada")
    assert not files.exists(f"{place}/out/ada/{MARK}"), "a broken transfer does not look whole"


def test_a_job_fetches_and_sends_and_leaves_no_photo(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url, files, place = shop
    seen: list[bytes] = []

    def run(photos: list[Path], out: Path, **_: Any) -> None:
        from head3d.subject import Ledger, StageRecord, Subject, consent_of

        seen.extend(one.read_bytes() for one in photos)
        (out / "fit").mkdir(parents=True)
        (out / "fit" / "head.ply").write_bytes(b"ply")
        record = StageRecord(1, "c", "i", {"fit/head.ply": "sha"}, "0", 1.0, 1.0)
        Subject(out).write_ledger(Ledger(consent_of("Ada", "self"), {"fit": record}))

    monkeypatch.setattr("head3d.pipeline.run", run)
    spec = JobSpec(str(tmp_path / "ada"), (f"{url}/ada/1.jpg",), cache=str(tmp_path / "c"), results=f"{url}/out/ada")
    done = work(spec, emit=lambda event: None)
    assert seen == [b"ada/1.jpg"] and not (tmp_path / "c").exists()
    assert list(done["files"]) == ["fit/head.ply"] and files.cat_file(f"{place}/out/ada/fit/head.ply") == b"ply"


def test_a_plan_takes_urls_and_its_key_follows_their_content(shop: Shop, tmp_path: Path):
    url, files, place = shop
    jobs = tmp_path / "jobs.yaml"
    text = (
        "consent: {by: Ada, scope: self}\nresults: URL/out\n"
        "subjects: [{name: ada, photos: ['URL/ada/*.jpg']}, {name: none, photos: ['URL/none']}]"
    )
    jobs.write_text(text.replace("URL", url))
    ada, none = read_plan(jobs)
    assert ada.job.photos == (f"{url}/ada/*.jpg",) and ada.job.results == f"{url}/out/ada"
    before = ada.key(), none.key()
    files.pipe_file(f"{place}/ada/1.jpg", b"another")
    assert ada.key() != before[0] and none.key() == before[1]
    jobs.write_text(jobs.read_text().replace(f"{url}/out", "out"))
    with pytest.raises(ConfigError, match="is no URL"):
        read_plan(jobs)


def test_what_cannot_be_reached_is_told(memory: Any, tmp_path: Path):
    with pytest.raises(ConfigError, match="nosuch"):
        remote_files("nosuch://bucket/a.jpg")
    with pytest.raises(InputError, match="no photo is there"):
        remote_files("memory://shop/grace")
