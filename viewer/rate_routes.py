"""The routes of the pages where people judge: votes that teach the ranking, and the blind test."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from head3d.errors import ConfigError
from head3d.quality.preference import LEAST_VOTES
from head3d.quality.ranking import rank
from head3d.quality.ratings import AXES, CHECKLIST, RATINGS, append_rating, new_rating, read_ratings
from head3d.quality.rounds import rated_pictures, rounds
from head3d.records import to_plain

from .blind import BlindTests
from .pages import page_file
from .render_loop import PRIORITY
from .state import Viewer

NAME_LENGTH = 80
TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


def add_rating(app: FastAPI, viewer: Viewer) -> None:
    """Add them to the viewer's."""
    folder, tests = viewer.subject.path, BlindTests()

    async def apart(work: Any, *args: Any, **how: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(viewer.pool, partial(work, *args, **how))

    @app.get("/rate")
    async def rate_page() -> Response:
        return page_file("rate.html")

    @app.get("/blind")
    async def blind_page() -> Response:
        return page_file("blind.html")

    @app.get("/api/rate")
    async def ask(kind: str = "pairwise", axis: str = "likeness") -> dict[str, Any]:
        return await apart(_next, folder, kind, axis)

    @app.post("/api/rate")
    async def vote(request: Request) -> dict[str, Any]:
        said = await request.json()
        await apart(_vote, folder, said)
        return await apart(_next, folder, said["kind"], said["axis"])

    @app.get("/api/rate/picture")
    async def picture(name: str) -> Response:
        path = (await apart(rated_pictures, folder)).get(name)
        if path is None:
            raise ConfigError("There is no such picture.", hint="Reload the page.")
        return Response(path.read_bytes(), media_type=TYPES[path.suffix.lower()])

    @app.get("/api/rate/ranking")
    async def ranking(axis: str = "likeness") -> dict[str, Any]:
        found = await apart(rank, folder, await apart(rated_pictures, folder), axis=_axis(axis), weights={})
        told = {"comparisons": found.comparisons, "needed": LEAST_VOTES, "ranked": [name for name, _ in found.rewards]}
        return told if found.model is None else {**told, "held_out": found.model.held_out}

    @app.post("/api/blind")
    async def begin(request: Request) -> dict[str, Any]:
        rater = _rater((await request.json()).get("rater"))
        studio = await apart(viewer.open)
        return await apart(tests.begin, studio, rater, turn=lambda: viewer.turns.take(PRIORITY["set"]))

    @app.get("/api/blind/{ident}/{shown}")
    async def shown(ident: str, shown: str) -> Response:
        return Response(await apart(tests.picture, ident, shown), media_type="image/png")

    @app.post("/api/blind/{ident}")
    async def answers(ident: str, request: Request) -> dict[str, Any]:
        said = await request.json()
        result = await apart(tests.score, ident, said.get("answers"), folder)
        return {**to_plain(result), "told_apart": result.told_apart}


def _next(folder: Path, kind: str, axis: str) -> dict[str, Any]:
    pictures = rated_pictures(folder)
    before, _ = read_ratings(folder / RATINGS)
    asked = next(rounds(pictures, before, kind=_kind(kind), axis=_axis(axis)), ())
    done = {one.items[0] for one in before if one.kind == kind != "pairwise" and one.axis == axis}
    given = sum(one.axis == axis and one.kind == kind for one in before)
    told = {"checklist": list(CHECKLIST)} if kind == "checklist" else {}
    return {**told, "items": list(asked), "given": given, "left": len(set(pictures) - done), "pictures": len(pictures)}


def _vote(folder: Path, said: Any) -> None:
    if not isinstance(said, dict):
        raise ConfigError("This is no vote.", hint="Reload the page.")
    items, pictures = said.get("items"), rated_pictures(folder)
    if not isinstance(items, list) or any(not isinstance(one, str) or one not in pictures for one in items):
        raise ConfigError("These are no pictures of this subject.", hint="Reload the page.")
    rating = new_rating(
        rater=_rater(said.get("rater")), kind=_kind(said.get("kind")), axis=_axis(said.get("axis")), items=items,
        choice=said.get("choice"),
    )  # fmt: skip
    append_rating(folder / RATINGS, rating)


def _rater(name: Any) -> str:
    return (name.strip() if isinstance(name, str) else "")[:NAME_LENGTH] or "me"


def _kind(kind: Any) -> Any:
    if kind not in ("pairwise", "stars", "checklist"):
        raise ConfigError("Votes are pairs, stars or a checklist.", hint="Reload the page.")
    return kind


def _axis(axis: Any) -> Any:
    if axis not in AXES:
        raise ConfigError("There is no such question.", hint=f"There are {', '.join(AXES)}.")
    return axis
