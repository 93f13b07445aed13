import numpy as np
import pytest
from PIL import Image

from head3d.errors import ConfigError
from head3d.export.provenance import DIGITAL_SOURCE_TYPE, read_provenance, write_with_provenance

PIXELS = np.zeros((16, 16, 3), dtype=np.uint8)
FACTS = {"view": "three-quarter-left", "light": "rembrandt"}


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.avif", "a.tiff"])
def test_the_file_says_it_is_synthetic_where_other_programs_look(tmp_path, name):
    path = write_with_provenance(tmp_path / name, PIXELS, facts=FACTS)
    raw = path.read_bytes()
    assert DIGITAL_SOURCE_TYPE.encode() in raw and b"rembrandt" in raw and b"head3d" in raw
    assert read_provenance(path)["digital_source_type"] == DIGITAL_SOURCE_TYPE


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.avif", "a.tiff"])
def test_facts_come_back_from_every_format(tmp_path, name):
    path = write_with_provenance(tmp_path / name, PIXELS, facts=FACTS)
    assert {key: read_provenance(path)[key] for key in FACTS} == FACTS


def test_a_picture_of_somebody_else_has_no_facts(tmp_path):
    for name in ("a.png", "a.jpg", "a.webp"):
        Image.fromarray(PIXELS).save(tmp_path / name)
        assert read_provenance(tmp_path / name) == {}


def test_personal_facts_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="subject"):
        write_with_provenance(tmp_path / "a.png", PIXELS, facts={"subject": "somebody"})
