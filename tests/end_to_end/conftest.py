"""Real photos, and the program started as a user starts it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from head3d import weights
from head3d.errors import WeightsMissing
from head3d.samples import write_sample_photos
from tests.end_to_end.warm import warm

QUICK = ("--preset", "test", "--quiet", "--consent", "self")


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per person with their sample photos; skips where the sample package cannot be had."""
    missing = [one.name for one in weights.KNOWN if not one.optional and weights.find(one.name) is None]
    if missing:
        pytest.skip(f"model files are missing ({', '.join(missing)}): head3d weights --get")
    folder = tmp_path_factory.mktemp("people")
    try:
        for person in ("P001", "P002"):
            write_sample_photos(folder / person, person=person)
    except WeightsMissing as error:
        pytest.skip(f"no sample photos: {error.message}")
    return folder


def environment() -> dict[str, str]:
    """One thread: on a machine that does other things, threads that wait for each other take minutes."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def head3d(
    *words: str | Path, anew: bool = False, prefix: Sequence[str] = (), seconds: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end: ``anew``, or with a prefix, as a user starts it; else as a fork (see warm.py)."""
    told = [str(word) for word in words]
    if not anew and not prefix:
        return warm().run(told, environment(), seconds=seconds)
    command = [*prefix, sys.executable, "-m", "head3d.cli", *told]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment(), check=False)


@pytest.fixture(scope="session")
def photo(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One good photo, under a name with spaces and letters from elsewhere."""
    folder = tmp_path_factory.mktemp("photos") / "my photos – été"
    folder.mkdir()
    return Path(shutil.copy(people / "P001" / "studio_portrait.jpg", folder / "me & søn 1.JPG"))


@pytest.fixture(scope="session")
def finished(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A subject made once, from one photo; tests that change it copy it."""
    out = tmp_path_factory.mktemp("finished") / "köpfe" / "the head"
    done = head3d("run", photo, "--out", out, *QUICK, anew=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def subject(finished: Path, tmp_path: Path) -> Path:
    """An own copy of the finished subject."""
    return Path(shutil.copytree(finished, tmp_path / "the head"))
