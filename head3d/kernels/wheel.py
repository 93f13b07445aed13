"""Wheels with compiled kernels: ``HEAD3D_BUILD=off|cpu|all``. setuptools runs this, with nothing else installed.

``off``, the default, makes a wheel without libraries for every platform; the others make one for this platform and
every Python, since the libraries know neither Python nor torch. Of the CPU kernels they bring the core; the parts that
few runs need are compiled when first asked for, and where there is no compiler these take the torch path.
"""

import os
import sys
from pathlib import Path

from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parents[2]


def _which() -> str:
    return os.environ.get("HEAD3D_BUILD", "off") or "off"


class BuildWithKernels(build_py):
    """Compiles into the tree that becomes the wheel, never into the sources."""

    def run(self) -> None:
        """Copy the modules, then compile."""
        super().run()
        if self.editable_mode:
            return
        sys.path.insert(0, str(ROOT))  # of all of head3d, only this folder and errors and events are needed
        from head3d.errors import Head3DError
        from head3d.kernels.build import build_for_wheel

        try:
            made = build_for_wheel(_which(), Path(self.build_lib) / "head3d" / "cuda_ext" / "prebuilt")
        except Head3DError as error:
            raise SystemExit(f"error: {error}") from error
        for path in made:
            self.announce(f"compiled {path.name}: {path.stat().st_size} bytes", level=2)


class WheelWithKernels(bdist_wheel):
    """Tagged with the platform if there are kernels in it."""

    def finalize_options(self) -> None:
        """Not pure with kernels."""
        if _which() != "off":
            self.distribution.has_ext_modules = lambda: True
        super().finalize_options()

    def get_tag(self) -> tuple[str, str, str]:
        """Any Python; any platform, or this one."""
        python, abi, platform = super().get_tag()
        return (python, abi, platform) if _which() == "off" else ("py3", "none", platform)
