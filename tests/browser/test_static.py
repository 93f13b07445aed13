"""The file that turns a head offline."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.browser.conftest import say
from tests.end_to_end.conftest import head3d

PIXELS = """() => { const c = document.querySelector('#proxy'), d = new OffscreenCanvas(64, 64).getContext('2d');
  d.drawImage(c, 0, 0, 64, 64); return [...d.getImageData(0, 0, 64, 64).data]; }"""


def seen(page: Any) -> np.ndarray:
    """The canvas, 64 x 64 RGBA."""
    return np.array(page.evaluate(PIXELS), dtype=np.int64).reshape(64, 64, 4)


def settled(page: Any, before: np.ndarray) -> np.ndarray:
    """The canvas after it has changed and then stayed."""
    last = before
    for _ in range(100):
        page.wait_for_timeout(300)
        now = seen(page)
        if np.array_equal(now, last) and not np.array_equal(now, before):
            return now
        last = now
    raise AssertionError("the canvas does not change")


def test_one_file_turns_the_head_without_a_network(finished: Path, browser: Any, tmp_path: Path):
    out = tmp_path / "turn me.html"
    done = head3d("view", finished, "--static", out)
    assert done.returncode == 0, done.stderr
    say(f"static page {out.stat().st_size / 1e6:.1f} MB")
    context = browser.new_context(offline=True, viewport={"width": 500, "height": 700})
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(out.as_uri())
    page.set_default_timeout(60_000)
    until_drawn(page)
    front = seen(page)
    solid = front[..., 3] > 127
    assert 0.2 < solid.mean() < 0.8 and 30 < front[solid][:, 0].mean() < 230
    page.focus("#stage")
    for _ in range(18):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("head3d.look.yaw_deg") == 90
    side = settled(page, front)
    assert ((side[..., 3] > 127) != solid).mean() > 0.02  # a profile has another outline
    page.select_option("#light", "rim")
    lit = settled(page, side)
    assert np.array_equal(lit[..., 3] > 127, side[..., 3] > 127) and np.abs(lit - side).mean() > 1
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
    context.close()


def until_drawn(page: Any) -> None:
    for _ in range(600):
        if page.evaluate("Boolean(window.head3d?.stage.ready && head3d.stage.light)"):
            return
        page.wait_for_timeout(100)
    raise AssertionError(page.inner_text("#note"))
