import numpy as np
import pytest
from skimage import data

from head3d.perception.config import SAME_PERSON_DISTANCE
from head3d.perception.nets import load_face_nets
from head3d.quality.identity import describe_picture, identity_scores

pytestmark = pytest.mark.weights


def test_a_mirrored_darker_face_is_the_same_person_and_a_wall_is_nobody():
    face = np.ascontiguousarray(data.astronaut()[:400])
    nets = load_face_nets()
    reference = describe_picture(face, nets)
    assert reference is not None
    altered = np.ascontiguousarray((face[:, ::-1] * 0.8).astype(np.uint8))
    scores = identity_scores({"altered": altered, "wall": np.full_like(face, 90)}, {"photo": reference}, nets=nets)
    assert scores[0].mean is not None and scores[0].mean < SAME_PERSON_DISTANCE / 2
    assert scores[1].mean is None and scores[1].distances == {}
