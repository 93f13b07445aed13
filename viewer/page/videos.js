// Videos: asked for, watched while they are made, played and taken home.

import { get, send } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => { const one = Object.assign(document.createElement(tag), properties); one.append(...children); return one; };
const WORDS = { done: "", cancelled: "Cancelled.", interrupted: "Interrupted.", failed: "It could not be made.", working: "Being made…" };

export class Videos {
  constructor(page, status) { this.page = page; this.status = status; }

  begin() {
    $("film").onclick = () => this.attempt(async () => {
      const kind = $("video-kind").value;
      await send("POST", "/api/videos", { kind, look: this.page.look, seconds: Number($("video-seconds").value), size: Number($("video-size").value) });
      this.progress({ step: 0, steps: 0 });
    });
    $("film-cancel").onclick = () => this.attempt(() => send("DELETE", "/api/videos", {}));
    if (this.page.state.filming) this.progress({ step: 0, steps: 0 });
    this.load().catch(() => {});
  }

  async attempt(work) { try { await work(); } catch (error) { this.status(error.message, true); } }

  heard(event) {
    if (event.stage !== "video") return;
    if (event.event === "Progress") this.progress(event);
    if (event.event === "StageDone") { this.progress(null); this.load().catch(() => {}); }
  }

  progress(event) {
    $("film-progress").hidden = !event; $("film-cancel").hidden = !event; $("film").disabled = Boolean(event);
    if (!event) return;
    $("film-bar").max = Math.max(event.steps, 1); $("film-bar").value = event.step;
    $("film-text").textContent = event.steps ? `${event.step} of ${event.steps} pictures` : "Begins…";
  }

  async load() {
    const all = await get("/api/videos");
    $("videos").replaceChildren(...all.slice(0, 4).filter((one) => one.state !== "working").map((one) => {
      const about = `${one.kind === "path" ? "A path through picks" : "A turn"}, ${(one.frames / one.fps).toFixed(0)} s, ${one.size} px.`;
      const copy = make("button", { type: "button", className: "quiet" }, "Copy the command");
      copy.onclick = () => this.attempt(async () => { await navigator.clipboard.writeText(one.command); this.status(`Copied: ${one.command}`); });
      if (one.state !== "done") return make("p", { className: "hint" }, `${about} ${WORDS[one.state]}`);
      const player = make("video", { src: `/api/videos/${one.id}.mp4`, controls: true, loop: true, muted: true, playsInline: true, preload: "metadata" });
      player.setAttribute("aria-label", about);
      return make("div", { className: "film" }, player, make("div", {}, make("p", {}, about), make("a", { className: "button", href: `/api/videos/${one.id}.mp4?save=true`, download: "" }, "Download"), copy));
    }));
  }
}
