"""Licences: what packages say of themselves, and nothing by default that forbids commercial use."""

import json
from email.message import Message
from pathlib import Path

import pytest

import head3d
from head3d import cli, licenses
from head3d.licenses import Entry, by_default, licence_of, licenses_text
from head3d.model_files import KNOWN


def fields(**values: str | list[str]) -> Message:
    """Metadata of a package."""
    made = Message()
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            made[name.replace("_", "-")] = one
    return made


def test_spdx_comes_before_words_and_words_before_classifiers():
    classifier = "License :: OSI Approved :: BSD License"
    assert licence_of(fields(License_Expression="MIT", License="old", Classifier=classifier)) == "MIT"
    assert licence_of(fields(License="Apache 2.0", Classifier=classifier)) == "Apache 2.0"
    assert licence_of(fields(License="UNKNOWN", Classifier=[classifier, "License :: OSI Approved"])) == "BSD License"
    assert licence_of(fields(License="Copyright (c) 2001 the authors of this long text of a licence " * 3)) == "unknown"


@pytest.mark.parametrize("text", ["CC-BY-NC-4.0", "NVIDIA Non-Commercial", "for research only", "CC BY-NC-SA 4.0"])
def test_what_forbids_commerce_is_seen(text: str):
    assert licenses.NON_COMMERCIAL.search(text)
    table = licenses_text([Entry("x", "1", text, "needed", commercial=False)])
    assert "NOT FOR COMMERCIAL USE" in table and table.endswith("by default: x")


@pytest.mark.parametrize(
    "text", ["MIT", "BSD-3-Clause", "CC0-1.0", "Apache-2.0 (code), CC0-1.0 (MakeHuman data)", "ncsa"]
)
def test_what_allows_it_is_not(text: str):
    assert not licenses.NON_COMMERCIAL.search(text)


def test_everything_by_default_is_known_and_allows_commerce(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["licenses", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = {one["name"] for one in found}
    assert {"torch", "numpy", "pillow", "safetensors"} <= names
    assert {one.name for one in KNOWN if not one.optional} <= names
    default = by_default([Entry(**one) for one in found])
    assert [one.name for one in default if not one.commercial or one.licence == "unknown"] == []


def test_every_array_and_network_in_the_package_is_listed():
    shipped = {
        file.name for kind in ("npz", "npy", "safetensors") for file in Path(head3d.__file__).parent.rglob(f"*.{kind}")
    }
    listed = {name for one in licenses.licenses() if one.kind == "data" for name in one.name.split(", ")}
    assert {"face_mesh.npz", "parsing.safetensors"} <= shipped <= listed
    assert all(name in shipped for name in listed - {"head3d"}), "nothing is listed that is not there"


def test_a_network_says_what_it_was_trained_on():
    (found,) = (one for one in licenses.licenses() if one.name == "lift.safetensors")
    assert found.licence == "Apache-2.0" and found.commercial
    assert "MakeHuman CC0" in found.note and "VALID library (MIT)" in found.note
