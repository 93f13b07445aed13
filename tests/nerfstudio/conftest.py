"""These tests run where nerfstudio is (.ci/nerfstudio)."""

import pytest

collect_ignore_glob: list[str] = []
try:
    import nerfstudio  # noqa: F401
except ImportError:
    collect_ignore_glob.append("test_*.py")


def pytest_report_header(config: pytest.Config) -> str:
    return "nerfstudio is not installed: its plug-in is tested by .ci/nerfstudio" if collect_ignore_glob else ""
