"""What the parsing net says of a window becomes regions of a whole picture."""

import numpy as np

from head3d.perception.regions import loose_hair
from head3d.perception.types import Region


def test_hair_that_hangs_on_nothing_is_none_and_long_hair_stays():
    labels = np.full((60, 40), int(Region.CLOTH), np.uint8)
    labels[5:20, 10:30] = int(Region.SKIN)
    labels[2:55, 6:10] = int(Region.HAIR)  # hangs from the head to the picture's end
    labels[30:50, 34:38] = int(Region.HAIR)  # an arm
    labels[18:28, 24:26] = int(Region.HAIR)  # a strand that reaches above the chin
    loose = loose_hair(labels, below=20.0)
    assert loose[30:50, 34:38].all() and loose.sum() == 20 * 4
    assert not loose_hair(np.zeros((5, 5), np.uint8), below=2.0).any()
