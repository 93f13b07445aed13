"""Rate and blind test: votes by key, on the disk when they are answered; what is a photo is told at the end only."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from head3d.quality.ratings import read_ratings
from tests.browser.conftest import Server, say, until

COUNT = "Number(document.querySelector('#count').textContent.match(/^\\d+/)?.[0])"


def test_votes_survive_a_kill_and_rank_the_pictures(
    open_page: Callable[..., Any], server: Server, subject_folder: Path
):
    store = subject_folder / "ratings.jsonl"
    store.unlink(missing_ok=True)
    page = open_page("/rate")
    until(page, "document.querySelectorAll('#arena img').length === 2")
    page.fill("#rater", "Ada")
    page.press("#rater", "Tab")
    for given, key in enumerate(("ArrowLeft", "ArrowRight", "=")):
        until(page, f"{COUNT} === {given} && !head3d.rate.busy")
        page.keyboard.press(key)
    until(page, f"{COUNT} === 3")
    server.kill()
    votes, spoiled = read_ratings(store)
    assert [one.choice for one in votes] == [0, 1, None] and spoiled == 0
    assert {(one.rater, one.kind, one.axis) for one in votes} == {("Ada", "pairwise", "likeness")}
    assert all((subject_folder / item).is_file() for one in votes for item in one.items)
    server.start()
    page.click("#axes [data-value=appeal]")
    page.click("#kinds [data-value=stars]")
    until(page, "document.querySelectorAll('#answers button').length === 6 && !head3d.rate.busy")
    shown = page.evaluate("head3d.rate.items[0]")
    page.focus("#arena")
    page.keyboard.press("4")
    until(page, f"!head3d.rate.busy && head3d.rate.items[0] !== {json.dumps(shown)}")
    last = read_ratings(store)[0][-1]
    assert (last.kind, last.axis, last.items, last.choice) == ("stars", "appeal", (shown,), 4)
    page.click("#axes [data-value=likeness]")
    page.click("#kinds [data-value=pairwise]")
    for given in range(3, 9):
        until(page, f"{COUNT} === {given} && !head3d.rate.busy")
        page.keyboard.press("ArrowLeft")
    until(page, "document.querySelectorAll('#ranking li').length >= 2")
    assert (subject_folder / "preference_likeness.json").is_file()
    say(page.inner_text("#ranking-text"))


def test_a_blind_test_tells_only_at_the_end(open_page: Callable[..., Any], subject_folder: Path):
    page = open_page("/blind")
    told: list[str] = []
    page.on("response", lambda reply: told.append(reply.url) if "/api/blind" in reply.url else None)
    page.click("#begin")
    until(page, "head3d.blind.shown.length === 2 && document.querySelector('#picture').naturalWidth > 0")
    assert not (subject_folder / "blind.json").exists()
    assert not any("photo" in one.split("/")[-1] or "render" in one.split("/")[-1] for one in told)
    page.keyboard.press("r")
    until(page, "head3d.blind.at === 1")
    page.keyboard.press("p")
    until(page, "!document.querySelector('#result').hidden")
    written = json.loads((subject_folder / "blind.json").read_text())
    assert written["judged"] == 2 and f"{written['right']} of 2" in page.inner_text("#result-title")
    assert written["rater"] == "me"
    (subject_folder / "blind.json").unlink()
