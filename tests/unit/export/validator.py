"""Khronos' validator of glTF, where node and the npm package gltf-validator are (.ci/run installs it)."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
const [package, file] = process.argv.slice(1), validator = require(package), fs = require('fs');
validator.validateBytes(new Uint8Array(fs.readFileSync(file)), {maxIssues: 0})
    .then(report => console.log(JSON.stringify(report)));
"""


def report_on(glb: Path) -> dict[str, Any]:
    """What the validator says of a file; skips where it is not installed.

    Environment:
        GLTF_VALIDATOR: The folder node_modules that holds it.
    """
    node, modules = shutil.which("node"), os.environ.get("GLTF_VALIDATOR", "")
    package = Path(modules).absolute() / "gltf-validator"
    if not node or not modules or not package.is_dir():
        pytest.skip("gltf-validator is not here (npm install gltf-validator; GLTF_VALIDATOR=node_modules)")
    words = [node, "-e", SCRIPT, str(package), str(glb)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)
