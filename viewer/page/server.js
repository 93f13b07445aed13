// Talking to the server: requests that say what went wrong, and a live line that comes back by itself.

export async function ask(path, options = {}) {
  const reply = await fetch(path, { credentials: "same-origin", ...options });
  if (reply.ok) return reply;
  let text = `The server answered ${reply.status}.`;
  try { const told = await reply.json(); text = `${told.error} ${told.hint || ""}`.trim(); } catch { /* no json: keep the status */ }
  throw new Error(text);
}
export const get = async (path) => (await ask(path)).json();
export const send = async (method, path, body) => (await ask(path, { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } })).json();
export const withLook = (path, look, more = "") => `${path}?look=${encodeURIComponent(JSON.stringify(look))}${more}`;

// A small picture into an image. Where the server has too much to do it is asked for again, unless another is wanted by then
export function showThumb(image, look, size, tries = 5) {
  const url = withLook("/api/thumb.jpg", look, `&size=${size}`);
  if (image.dataset.url === url) return;
  image.dataset.url = url;
  image.onerror = () => { if (tries-- > 0) setTimeout(() => { if (image.dataset.url === url) image.src = `${url}&try=${tries}`; }, 2000); };
  image.src = url;
}

// Binary messages: length of the header, header (json), picture
export class Live {
  constructor({ onframe, onstate }) { this.onframe = onframe; this.onstate = onstate; this.wait = 300; this.connect(); }
  connect() {
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => { this.wait = 300; this.onstate(true); };
    this.socket.onmessage = ({ data }) => {
      const length = new DataView(data).getUint32(0, true);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      this.onframe(header, new Uint8Array(data, 4 + length));
    };
    this.socket.onclose = () => { this.onstate(false); setTimeout(() => this.connect(), this.wait); this.wait = Math.min(2 * this.wait, 3000); };
  }
  say(message) { if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message)); }
}
