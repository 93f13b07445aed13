"""The file that turns a head offline."""

from pathlib import Path
from typing import Any

from tests.browser.conftest import say
from tests.end_to_end.conftest import head3d

SOLID = """() => { const c = document.querySelector('#proxy'), d = new OffscreenCanvas(64, 64).getContext('2d');
  d.drawImage(c, 0, 0, 64, 64); const p = d.getImageData(0, 0, 64, 64).data; let n = 0, sum = 0;
  for (let k = 0; k < p.length; k += 4) if (p[k + 3] > 127) { n += 1; sum += p[k]; }
  return [n / 4096, sum / Math.max(n, 1)]; }"""


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
    front = page.evaluate(SOLID)
    assert 0.2 < front[0] < 0.8 and 30 < front[1] < 230
    page.focus("#stage")
    for _ in range(18):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    side = page.evaluate(SOLID)
    assert page.evaluate("head3d.look.yaw_deg") == 90 and abs(side[0] - front[0]) > 0.005
    page.select_option("#light", "rim")
    page.wait_for_timeout(300)
    assert page.evaluate(SOLID)[1] != side[1]
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
    context.close()


def until_drawn(page: Any) -> None:
    for _ in range(600):
        if page.evaluate("Boolean(window.head3d?.stage.ready && head3d.stage.light)"):
            return
        page.wait_for_timeout(100)
    raise AssertionError(page.inner_text("#note"))
