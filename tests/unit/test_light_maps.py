"""Lights of one's own: kept small with the same light in them; what is no map is refused before it is decoded."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from head3d import light_maps
from head3d.errors import ConfigError, InputError
from head3d.imaging.map_header import MapHeader, read_header
from head3d.imaging.panorama import read_panorama
from head3d.light_maps import LightMaps
from head3d.render.environment import project_map

HDR_BOMB = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 120000\n" + bytes(64)


def sky(height: int = 8, *, sun: float = 400.0) -> np.ndarray:
    """A map with a small bright sun to the left of the head, RGB."""
    values = np.full((height, 2 * height, 3), 0.5, np.float32)
    values[height // 4, height // 4] = (sun, 0.8 * sun, 0.5 * sun)
    return values


def hdr(values: np.ndarray) -> bytes:
    done, encoded = cv2.imencode(".hdr", np.ascontiguousarray(values[..., ::-1]))
    assert done
    return encoded.tobytes()


def exr(folder: Path, values: np.ndarray, **channels: np.ndarray) -> bytes:
    openexr = pytest.importorskip("OpenEXR")
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    with openexr.File(header, {"RGB": values, **channels}) as file:
        file.write(str(folder / "map.exr"))
    return (folder / "map.exr").read_bytes()


@pytest.fixture
def kept(tmp_path: Path) -> LightMaps:
    return LightMaps(tmp_path)


class TestHeaders:
    def test_kind_and_size_are_told_by_the_content(self, tmp_path: Path):
        assert read_header(hdr(sky())) == MapHeader(".hdr", 8, 16, 3)
        assert read_header(exr(tmp_path, sky(), depth=np.ones((8, 16), np.float32))) == MapHeader(".exr", 8, 16, 4)

    def test_what_is_cut_or_another_kind_of_file_has_none(self, tmp_path: Path):
        good = exr(tmp_path, sky())
        layered = good[:4] + struct.pack("<I", struct.unpack_from("<I", good, 4)[0] | 0x1000) + good[8:]
        turned = hdr(sky()).replace(b"-Y 8 +X 16", b"+X 16 -Y 8")
        for content in (b"", b"#?", b"\xff\xd8\xff", good[:4], good[:60], layered, turned, b"\x76\x2f\x31\x01" * 40):
            assert read_header(content) is None


class TestLightMaps:
    @pytest.mark.parametrize("kind", ["hdr", "exr"])
    def test_a_map_is_kept_small_with_the_same_light(self, kept: LightMaps, tmp_path: Path, kind: str):
        values = sky(512)
        name = kept.add(hdr(values) if kind == "hdr" else exr(tmp_path, values))
        assert name.startswith("own:") and kept.all() == [name]
        assert kept.resolved(name) == str(kept.path(name)) and kept.resolved("rim") == "rim"
        small = read_panorama(kept.path(name))
        assert small.shape == (256, 512, 3)
        before = project_map(read_panorama(_written(tmp_path, hdr(values))))
        assert (project_map(small) - before).abs().max() < 0.02 * before.abs().max()  # RGBE keeps 8 bits
        kept.remove(name)
        assert kept.all() == []

    def test_the_same_map_again_is_the_same(self, kept: LightMaps):
        assert kept.add(hdr(sky())) == kept.add(hdr(sky())) and len(kept.all()) == 1

    @pytest.mark.parametrize("name", ["own:../../x", "own:0123456789ab", "rim", "own:", "own:0123456789AB"])
    def test_names_are_no_paths(self, kept: LightMaps, name: str):
        with pytest.raises(ConfigError, match="no such light"):
            kept.path(name)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "no environment map"),
            (b"<svg onload=alert(1)>", "no environment map"),
            (b"\xff\xd8\xff a photo", "no environment map"),
            (HDR_BOMB, "too large"),
            (hdr(sky())[:90], "not a readable hdr file"),
            (hdr(np.ones((9, 9, 3), np.float32)), "9 x 9 px is no environment map"),
            (hdr(np.zeros((8, 16, 3), np.float32)), "is black"),
            (hdr(sky(sun=1e20)), "like no light"),
        ],
        ids=["empty", "svg", "jpeg", "bomb", "cut", "square", "black", "blinding"],
    )
    def test_nonsense_is_refused_and_nothing_is_kept(self, kept: LightMaps, content: bytes, told: str):
        with pytest.raises(InputError, match=told) as caught:
            kept.add(content)
        assert "/" not in caught.value.message  # of the server's folders nothing is told
        assert kept.all() == []

    def test_what_is_no_number_is_black(self, kept: LightMaps, tmp_path: Path):
        values = sky()
        values[0, 0], values[0, 1] = np.nan, np.inf
        assert np.isfinite(read_panorama(kept.path(kept.add(exr(tmp_path, values)))).numpy()).all()

    def test_an_exr_of_many_channels_is_refused_undecoded(self, kept: LightMaps, tmp_path: Path):
        extra = {f"layer{number}": np.ones((8, 16), np.float32) for number in range(8)}
        with pytest.raises(InputError, match="too large"):
            kept.add(exr(tmp_path, sky(), **extra))

    def test_large_files_and_more_than_some_are_refused(self, kept: LightMaps, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(light_maps, "MOST", 1)
        kept.add(hdr(sky()))
        with pytest.raises(InputError, match="1 lights of your own already"):
            kept.add(hdr(sky(16)))
        monkeypatch.setattr(light_maps, "MOST_BYTES", 10)
        with pytest.raises(InputError, match="too large"):
            kept.add(hdr(sky()))


def _written(folder: Path, content: bytes) -> Path:
    path = folder / "whole.hdr"
    path.write_bytes(content)
    return path
