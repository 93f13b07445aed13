"""The viewer's rating page: pairs, stars and a photographer's checklist are the votes that the terminal writes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from head3d import store
from head3d.errors import ConfigError
from head3d.quality.ratings import BY_CHECKLIST, CHECKLIST, pairs_of, read_ratings
from head3d.viewer.rate_routes import add_rating  # pyright: ignore[reportMissingImports]


class Page:
    """What the page does, without a server: the routes of a subject with three headshots."""

    def __init__(self, folder: Path) -> None:
        app = FastAPI()
        add_rating(app, SimpleNamespace(subject=SimpleNamespace(path=folder), pool=ThreadPoolExecutor(1)))
        routes = [one for one in app.routes if isinstance(one, APIRoute) and one.path == "/api/rate"]
        self._routes = {method: one.endpoint for one in routes for method in one.methods or ()}

    def ask(self, kind: str, axis: str = "likeness") -> dict[str, Any]:
        return asyncio.run(self._routes["GET"](kind=kind, axis=axis))

    def vote(self, said: dict[str, Any]) -> dict[str, Any]:
        async def body() -> dict[str, Any]:
            return said

        return asyncio.run(self._routes["POST"](SimpleNamespace(json=body)))


@pytest.fixture
def page(tmp_path: Path) -> Page:
    place = store.make_folder(tmp_path / "headshots" / "soft-front")
    for number in range(3):
        store.write_png(place / f"v{number}.png", np.full((8, 8, 3), 80 * number, np.uint8))
    return Page(tmp_path)


def test_a_checklist_is_asked_point_by_point_and_weighs_as_one(page: Page, tmp_path: Path):
    asked = page.ask("checklist", "appeal")
    assert asked["checklist"] == list(CHECKLIST) and len(asked["items"]) == 1 and asked["left"] == 3
    for choice in (0b1111111, 0b0000001):
        said = {"kind": "checklist", "axis": "appeal", "rater": "Ada", "items": asked["items"], "choice": choice}
        asked = page.vote(said)
    assert asked["left"] == 1 and asked["given"] == 2
    votes, spoiled = read_ratings(tmp_path / "ratings.jsonl")
    assert spoiled == 0 and [one.choice for one in votes] == [127, 1]
    first, second = (one.items[0] for one in votes)
    assert pairs_of(votes, "appeal") == [(first, second, 1.0, f"Ada{BY_CHECKLIST}")]


def test_other_kinds_bring_no_list(page: Page):
    for kind, count in (("pairwise", 2), ("stars", 1)):
        asked = page.ask(kind)
        assert "checklist" not in asked and len(asked["items"]) == count


@pytest.mark.parametrize("change", [{"choice": 128}, {"kind": "guess"}, {"items": ["elsewhere.png"]}])
def test_what_is_no_vote_is_told_and_not_kept(page: Page, tmp_path: Path, change: dict):
    said = {"kind": "checklist", "axis": "appeal", "items": ["headshots/soft-front/v0.png"], "choice": 3, **change}
    with pytest.raises(ConfigError):
        page.vote(said)
    assert not (tmp_path / "ratings.jsonl").exists()
