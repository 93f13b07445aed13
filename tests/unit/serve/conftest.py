"""A server that the tests of one file share, and its two tenants."""

from collections.abc import Iterator

import pytest

from tests.unit.serve.service import Client, service


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client]]:
    with service(tmp_path_factory.mktemp("server") / "data") as both:
        yield both


@pytest.fixture
def ada(tenants: tuple[Client, Client]) -> Client:
    return tenants[0]


@pytest.fixture
def bob(tenants: tuple[Client, Client]) -> Client:
    return tenants[1]
