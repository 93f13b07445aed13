"""These tests run where nerfstudio is (.ci/nerfstudio)."""

import os
from pathlib import Path

import pytest

SUBJECT = os.environ.get("HEAD3D_TEST_SUBJECT", "")
"""A finished subject folder; .ci/nerfstudio makes one."""
collect_ignore_glob: list[str] = []
try:
    import nerfstudio  # noqa: F401
except ImportError:
    collect_ignore_glob.append("test_*.py")


def pytest_report_header(config: pytest.Config) -> str:
    return "nerfstudio is not installed: its plug-in is tested by .ci/nerfstudio" if collect_ignore_glob else ""


@pytest.fixture(scope="session")
def subject() -> Path:
    folder = Path(SUBJECT or Path(__file__).parents[2] / "subjects" / "demo")
    if not (folder / "subject.json").is_file():
        pytest.skip("no finished subject: make demo, or name one in HEAD3D_TEST_SUBJECT")
    return folder.resolve()
