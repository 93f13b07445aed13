"""Files are written whole or not at all, and damage is named."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from head3d import store
from head3d.errors import CorruptPart, FormatTooNew, StorageError

KIND = "head3d.test"


class TestWriteBytes:
    def test_replaces_the_old_file_and_leaves_nothing_else(self, tmp_path: Path):
        store.write_bytes(tmp_path / "a", b"old")
        store.write_bytes(tmp_path / "a", b"new")
        assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"a": b"new"}

    def test_a_failure_keeps_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        store.write_bytes(tmp_path / "a", b"old")

        def full(self: Path, content: bytes) -> int:
            with self.open("wb") as handle:
                handle.write(content[:1])
            raise OSError(errno.ENOSPC, "No space left on device", str(self))

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageError, match="the disk is full"):
            store.write_bytes(tmp_path / "a", b"new")
        assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"a": b"old"}

    def test_below_a_file_is_one_clear_line(self, tmp_path: Path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match="a file is in the place of a folder"):
            store.write_bytes(tmp_path / "file" / "a", b"")

    @pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO])
    def test_each_trouble_of_the_disk_has_its_words_and_a_way_out(self, code: int, tmp_path: Path):
        with pytest.raises(StorageError) as caught, store.disk_errors(tmp_path):
            raise OSError(code, os.strerror(code))
        assert str(tmp_path) in caught.value.message
        assert caught.value.hint


class TestJson:
    def test_round_trip(self, tmp_path: Path):
        store.write_json(tmp_path / "a.json", {"x": [1, 2.5, "ü"]}, kind=KIND, version=1)
        assert store.read_json(tmp_path / "a.json", kind=KIND, version=1)["x"] == [1, 2.5, "ü"]

    def test_newer_version_is_refused(self, tmp_path: Path):
        store.write_json(tmp_path / "a.json", {}, kind=KIND, version=2)
        with pytest.raises(FormatTooNew, match="version 2; this head3d reads up to 1"):
            store.read_json(tmp_path / "a.json", kind=KIND, version=1)

    def test_older_version_migrates_step_by_step(self, tmp_path: Path):
        store.write_json(tmp_path / "a.json", {"mm": 63}, kind=KIND, version=1)
        steps = {1: lambda old: {"cm": old["mm"] / 10}, 2: lambda old: {"m": old["cm"] / 100}}
        read = store.read_json(tmp_path / "a.json", kind=KIND, version=3, migrations=steps)
        assert read["m"] == pytest.approx(0.063) and read["version"] == 3

    def test_older_version_without_a_way_up_is_named(self, tmp_path: Path):
        store.write_json(tmp_path / "a.json", {}, kind=KIND, version=1)
        with pytest.raises(CorruptPart, match="no longer reads"):
            store.read_json(tmp_path / "a.json", kind=KIND, version=2)

    @pytest.mark.parametrize(
        "text", ["", '{"format": "head3d.te', "[]", '{"format": "other", "version": 1}', "\x00\xff"]
    )
    def test_damage_names_the_file(self, text: str, tmp_path: Path):
        (tmp_path / "a.json").write_bytes(text.encode("latin1"))
        with pytest.raises(CorruptPart, match=r"a\.json"):
            store.read_json(tmp_path / "a.json", kind=KIND, version=1)

    def test_missing_file_is_named(self, tmp_path: Path):
        with pytest.raises(CorruptPart, match=r"a\.json is missing"):
            store.read_json(tmp_path / "a.json", kind=KIND, version=1)

    def test_nan_cannot_be_written(self, tmp_path: Path):
        with pytest.raises(ValueError):
            store.write_json(tmp_path / "a.json", {"x": float("nan")}, kind=KIND, version=1)


class TestPixels:
    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
    @pytest.mark.parametrize("kind", [np.uint8, np.uint16])
    def test_round_trip(self, shape: tuple[int, ...], kind: type, tmp_path: Path):
        pixels = np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape).astype(kind)
        store.write_png(tmp_path / "a.png", pixels)
        assert np.array_equal(store.read_png(tmp_path / "a.png"), pixels)

    def test_truncated_picture_is_named(self, tmp_path: Path):
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n")
        with pytest.raises(CorruptPart, match=r"a\.png is truncated"):
            store.read_png(tmp_path / "a.png")


class TestTensors:
    def test_round_trip_keeps_bits_and_types(self, tmp_path: Path):
        shared = torch.arange(6.0)
        tensors = {"a": shared, "view": shared[::2], "half": torch.ones(2, dtype=torch.bfloat16), "i": torch.tensor(3)}
        store.write_tensors(tmp_path / "a.safetensors", tensors)
        read = store.read_tensors(tmp_path / "a.safetensors")
        assert all(
            torch.equal(read[name], tensors[name]) and read[name].dtype == tensors[name].dtype for name in tensors
        )

    def test_truncated_file_is_named(self, tmp_path: Path):
        store.write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(100)})
        with (tmp_path / "a.safetensors").open("r+b") as handle:
            handle.truncate(50)
        with pytest.raises(CorruptPart, match=r"a\.safetensors is truncated"):
            store.read_tensors(tmp_path / "a.safetensors")


def test_equal_payloads_have_equal_checksums():
    assert store.sha256_of({"a": 1, "b": [2.0]}) == store.sha256_of(json.loads('{"b": [2.0], "a": 1}'))
    assert store.sha256_of({"a": 1}) != store.sha256_of({"a": 2})


class TestLocked:
    def test_second_process_is_told_who_holds_it(self, tmp_path: Path):
        with (
            store.locked(tmp_path, what="subjects/me"),
            pytest.raises(StorageError, match=rf"process {os.getpid()}\) is working on subjects/me"),
            store.locked(tmp_path, what="subjects/me"),
        ):
            pass

    def test_is_free_again_afterwards(self, tmp_path: Path):
        for _ in range(2):
            with store.locked(tmp_path, what="x"):
                pass


def test_a_tensor_file_that_does_not_fit_is_a_full_disk_not_a_traceback(tmp_path: Path):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StorageError, match="larger than the system allows"):
            store.write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
