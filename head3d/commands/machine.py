"""Commands about the machine: doctor, weights, licenses, build, bench."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import tyro

from head3d.commands.options import parse
from head3d.console import listen


@dataclass(frozen=True)
class Doctor:
    """What this machine offers: device, kernels, model files, versions."""

    json: bool = False
    """Print JSON."""


def doctor(words: Sequence[str]) -> int:
    from head3d.doctor import diagnose, diagnosis_text

    options = parse(Doctor, "doctor", words)
    facts = diagnose()
    print(json.dumps(facts, indent=1, ensure_ascii=False) if options.json else diagnosis_text(facts))
    return 0


@dataclass(frozen=True)
class Weights:
    """Model files: what they are, how big, under which licence, and whether they are here."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Which; all if none is named."""
    get: bool = False
    """Fetch those that are missing from the package index."""
    json: bool = False
    """Print JSON."""


def weights(words: Sequence[str]) -> int:
    from head3d.doctor import fetch_weights, weights_table, weights_text

    options = parse(Weights, "weights", words)
    if options.get:
        with listen() as emit:
            fetch_weights(options.names, emit=emit)
    table = weights_table(options.names)
    print(json.dumps(table, indent=1) if options.json else weights_text(table))
    return 0


@dataclass(frozen=True)
class Build:
    """Compile the kernels now instead of at the first run, and say where they are. Tries again what failed before."""

    device: Literal["cpu", "cuda"] = "cpu"
    """For which device: with g++ (or CXX) for the CPU, with nvcc or else NVRTC for CUDA."""
    arch: str | None = None
    """CPU: what g++ knows as -march (x86-64-v3). GPU: sm_90, a list (75,sm_90) or all. This machine's if not given."""


def build(words: Sequence[str]) -> int:
    from head3d.kernels.build import build

    options = parse(Build, "build", words)
    with listen() as emit:
        made = build(options.device, arch=options.arch, emit=emit)
    print("\n".join(str(path) for path in (made.library, made.images) if path))
    return 0


def bench(words: Sequence[str]) -> int:
    from head3d import bench

    return bench.main(words)


@dataclass(frozen=True)
class Licenses:
    """Licences of all packages, model files and data that head3d runs with."""

    json: bool = False
    """Print JSON."""


def licenses(words: Sequence[str]) -> int:
    from head3d.licenses import by_default, licenses_text
    from head3d.licenses import licenses as list_licenses
    from head3d.records import to_plain

    options = parse(Licenses, "licenses", words)
    entries = list_licenses()
    print(json.dumps(to_plain(tuple(entries)), indent=1) if options.json else licenses_text(entries))
    return 0 if all(one.commercial for one in by_default(entries)) else 1
