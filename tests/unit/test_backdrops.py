"""Backdrops of one's own: kept small, upright and without notes; what is no picture is refused."""

import io
from pathlib import Path

import pytest
from PIL import Image

from head3d import backdrops
from head3d.backdrops import Backdrops
from head3d.errors import ConfigError, InputError


def encoded(size: tuple[int, int], kind: str = "JPEG", **how: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 90, 40)).save(file, kind, **how)
    return file.getvalue()


@pytest.fixture
def kept(tmp_path: Path) -> Backdrops:
    return Backdrops(tmp_path)


def test_a_picture_is_kept_upright_bounded_and_without_notes(kept: Backdrops):
    notes = Image.Exif()
    notes[0x0112], notes[0x010F] = 6, "a camera"  # turned by a quarter
    name = kept.add(encoded((3000, 1000), exif=notes))
    assert name.startswith("own:") and kept.all() == [name]
    with Image.open(kept.path(name)) as picture:
        assert picture.size == (683, 2048) and not picture.getexif()
    assert kept.resolved(name) == str(kept.path(name)) and kept.resolved("white") == "white"
    assert kept.add(encoded((3000, 1000), exif=notes)) == name  # the same again is the same
    kept.remove(name)
    assert kept.all() == []


@pytest.mark.parametrize("name", ["own:../../x", "own:0123456789ab", "white", "own:", "own:0123456789AB"])
def test_names_are_no_paths(kept: Backdrops, name: str):
    with pytest.raises(ConfigError, match="no such backdrop"):
        kept.path(name)


def test_what_is_too_large_or_no_picture_is_refused(kept: Backdrops, monkeypatch: pytest.MonkeyPatch):
    for content in (b"", b"<svg/>", b"\xff\xd8\xff broken", encoded((8, 8), "GIF"), encoded((64, 64))[:200]):
        with pytest.raises(InputError, match="no picture"):
            kept.add(content)
    monkeypatch.setattr(backdrops, "MOST_PIXELS", 99)
    with pytest.raises(InputError, match="too large"):
        kept.add(encoded((10, 10)))
    monkeypatch.setattr(backdrops, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="too large"):
        kept.add(encoded((4, 4)))
    assert kept.all() == []


def test_only_so_many_are_kept(kept: Backdrops, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backdrops, "MOST", 1)
    kept.add(encoded((20, 20)))
    with pytest.raises(InputError, match="1 backdrops already"):
        kept.add(encoded((20, 30)))
