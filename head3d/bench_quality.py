"""``head3d bench sets | harmony``: distances of whole sets of pictures; one look against naive colour transfer."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from head3d.errors import InputError
from head3d.imaging.io import read_photo
from head3d.quality.distribution import FeatureNet, InceptionFeatures, VggFeatures, set_distances
from head3d.trials.harmony import bench_harmony, means

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class SetsBench:
    """Distance of a folder of pictures from another as a whole: Fréchet and kernel, with 95 % intervals."""

    first: tyro.conf.Positional[Path]
    """A folder of pictures: renders, say."""
    second: tyro.conf.Positional[Path]
    """What they are compared with: photos of the same people."""
    inception: Path | None = None
    """FID's own net as TorchScript (inception-2015-12-05.pt), which head3d does not ship; else the VGG16 of LPIPS."""
    out: Path | None = None
    """Also write the JSON to this file."""


@dataclass(frozen=True)
class HarmonyBench:
    """One look for a set (--match) against naive colour transfer, on composites that nothing was tuned on."""

    count: int = 20
    """Composites."""
    data: Path = Path(os.environ.get("HEAD3D_DATA", "../shared/data"))
    """Truth data: what stands behind people. Or HEAD3D_DATA."""
    out: Path | None = None
    """Also write the JSON to this file."""


def sets(words: Sequence[str]) -> int:
    """``head3d bench sets FIRST SECOND``; returns the exit code."""
    options = tyro.cli(SetsBench, args=list(words), prog="head3d bench sets", config=(tyro.conf.FlagCreatePairsOff,))
    net: FeatureNet = InceptionFeatures(options.inception) if options.inception else VggFeatures()
    found = set_distances(_pictures(options.first), _pictures(options.second), net=net)
    return _tell([asdict(one) for one in found], options.out)


def harmony(words: Sequence[str]) -> int:
    """``head3d bench harmony``; returns the exit code."""
    options = tyro.cli(
        HarmonyBench, args=list(words), prog="head3d bench harmony", config=(tyro.conf.FlagCreatePairsOff,)
    )
    cases = bench_harmony(options.count, options.data)
    same = [one for one in cases if one.same_wall]
    other = [one for one in cases if not one.same_wall]
    ours, naive, untouched = ([one.scores[way] for one in cases] for way in ("ours", "naive", "untouched"))
    payload = {
        "composites": len(cases),
        "means": means(cases),
        "same_wall": means(same) if same else {},
        "other_wall": means(other) if other else {},
        "ours_better_than_naive": {
            name: sum(getattr(a, name) < getattr(b, name) for a, b in zip(ours, naive, strict=True))
            for name in ("skin", "rest", "lpips_alex")
        },
        "rest_nearer_than_untouched": sum(a.rest < b.rest for a, b in zip(ours, untouched, strict=True)),
        "cases": [asdict(one) for one in cases],
    }
    return _tell(payload, options.out)


def _pictures(folder: Path) -> list:
    found = sorted(one for one in folder.rglob("*") if one.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not found:
        raise InputError(f"{folder} has no pictures.", hint="Give a folder of .png, .jpg or .webp.")
    return [read_photo(one) for one in found]


def _tell(payload: object, out: Path | None) -> int:
    text = json.dumps(payload, indent=1) + "\n"
    if out is not None:
        out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0
