"""Pictures of the field while the head moves, as a GPU's server sends them; played to the page, since none is here."""

from collections.abc import Callable
from typing import Any

from tests.browser.conftest import MADE, until

FAST = """async () => {
  const canvas = new OffscreenCanvas(64, 64);
  canvas.getContext('2d').fillRect(0, 0, 64, 64);
  window.jpeg = new Uint8Array(await (await canvas.convertToBlob({ type: 'image/jpeg' })).arrayBuffer());
  window.said = [];
  head3d.live.say = (message) => said.push(structuredClone(message));
  head3d.field = 256;
}"""
TURN = "document.querySelector('#stage').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }))"
FRAME = """([number, moving_px]) => head3d.live.onframe(
  { type: 'frame', kind: 'moving', number, moving_px, gain: 1, size: [64, 64], made_ms: 20 }, jpeg)"""
SHOWN = "!document.querySelector('#frame').hidden && head3d.shown === 'moving' && head3d.drawn === {}"


def test_the_field_takes_the_place_of_the_proxy_while_it_is_fast_enough(open_page: Callable[..., Any]):
    page = open_page()
    until(page, MADE)
    assert page.evaluate("head3d.field") == 0  # what two cores can
    page.evaluate(FAST)
    alt, kind = page.get_attribute("#frame", "alt"), page.inner_text("#kind")
    page.evaluate(TURN)
    first = page.evaluate("head3d.number")
    told = page.evaluate("said[0]")
    assert told["moving"] and told["type"] == "look" and told["number"] == first and told["height_px"] >= 128
    page.evaluate(TURN)
    page.evaluate(FRAME, [first, 256])  # of the look before the newest: still newer than what is shown
    until(page, SHOWN.format(first))
    page.evaluate(TURN)
    assert page.evaluate("said.findLast((one) => one.moving).heard") == first
    page.evaluate(FRAME, [first + 2, 256])
    until(page, SHOWN.format(first + 2))
    page.evaluate(FRAME, [first + 1, 256])  # late: what is shown is newer
    # no reader of the screen is told of each
    assert page.get_attribute("#frame", "alt") == alt and page.inner_text("#kind") == kind
    # none comes for the newest look
    page.evaluate(TURN)
    until(page, "head3d.shown === 'proxy' && document.querySelector('#frame').hidden")
    assert page.evaluate("head3d.drawn") == first + 2
    # too slow: from now on the server only hears that the head moves
    page.evaluate(FRAME, [first + 3, 0])
    page.evaluate("said.length = 0")
    page.evaluate(TURN)
    assert page.evaluate("said[0]") == {"type": "moving"} and page.evaluate("head3d.shown") == "proxy"
    page.evaluate("delete head3d.live.say")
    page.evaluate(TURN)
    until(page, MADE)
