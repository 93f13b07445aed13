// Kept pictures, and the sets made of them.

import { get, send, showThumb } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

export class Picks {
  constructor(page, show, status) { this.page = page; this.show = show; this.status = status; this.list = []; }

  begin(also) {
    this.also = also;
    $("undo").onclick = () => this.undo();
    $("render").onclick = () => this.attempt(async () => { await send("POST", "/api/sets", { size: Number($("size").value) }); this.progress({ step: 0, steps: this.list.length, what: "" }); });
    $("cancel").onclick = () => this.attempt(() => send("DELETE", "/api/sets", {}));
    $("copy").onclick = () => this.attempt(async () => {
      await navigator.clipboard.writeText(this.command());
      this.status(`Copied: ${this.command()}`);
    });
    const events = new EventSource("/api/events");
    events.onmessage = ({ data }) => this.heard(JSON.parse(data));
    events.onopen = () => { this.load().catch(() => {}); this.sets().catch(() => {}); };
    if (this.page.state.making) this.progress({ step: 0, steps: 0, what: "" });
  }

  async attempt(work) { try { await work(); } catch (error) { this.status(error.message, true); } }

  command() {
    const home = this.page.state.subject, quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
    const files = this.list.map((pick) => `${home}/views/${pick.id}.json`).join(",");
    return `head3d render ${quoted(home)} --views ${quoted(files || "front")} --size ${$("size").value}`;
  }

  heard(event) {
    this.also(event);
    if (event.event === "Picks") this.load().catch(() => {});
    if (event.event === "Progress" && event.stage === "set") this.progress(event);
    if (event.event === "StageDone" && event.stage === "set") { this.progress(null); this.sets().catch(() => {}); }
    if (event.event === "Notice" && event.level === "warning") this.status(event.text, true);
  }

  progress(event) {
    $("progress").hidden = !event; $("cancel").hidden = !event; $("render").disabled = Boolean(event) || !this.list.length;
    if (!event) return;
    $("bar").max = Math.max(event.steps, 1); $("bar").value = event.step;
    $("bar-text").textContent = event.steps ? `${event.step} of ${event.steps} ${event.what ? `(${event.what})` : ""}` : "Working…";
  }

  async undo() { await this.attempt(async () => { const { done } = await send("POST", "/api/undo", {}); this.status(done ? "Undone." : "There is nothing to undo."); await this.load(); }); }

  async load() {
    this.list = await get("/api/picks");
    const making = !$("progress").hidden;
    $("no-picks").hidden = this.list.length > 0; $("render").disabled = making || !this.list.length;
    $("pick-count").textContent = this.list.length ? `(${this.list.length})` : "";
    const focused = document.activeElement?.dataset?.action && [document.activeElement.closest("li")?.dataset.id, document.activeElement.dataset.action];
    $("pick-list").replaceChildren(...this.list.map((pick, i) => this.card(pick, i)));
    if (focused) $("pick-list").querySelector(`li[data-id="${focused[0]}"] [data-action="${focused[1]}"]`)?.focus();
  }

  card(pick, i) {
    const { look } = pick, name = look.name;
    const image = element("img", { alt: "", loading: "lazy", width: 192, height: 192 });
    showThumb(image, { ...look, name: "x" }, 192);
    const show = element("button", { type: "button", className: "show", title: "Show this one" }, image);
    show.setAttribute("aria-label", `Show ${name}`); show.dataset.action = "show";
    show.onclick = () => this.show(look);
    const label = element("input", { value: name, maxLength: 80 });
    label.setAttribute("aria-label", `Name of pick ${i + 1}`); label.dataset.action = "name";
    label.onchange = () => this.attempt(() => send("PUT", `/api/picks/${pick.id}`, { ...look, name: label.value.trim() || name }));
    const action = (key, text, title, act, off) => {
      const button = element("button", { type: "button", title, disabled: off }, text);
      button.setAttribute("aria-label", `${title}: ${name}`); button.dataset.action = key; button.onclick = act;
      return button;
    };
    const row = element("div", { className: "row" },
      action("up", "◀", "Earlier", () => this.move(i, -1), i === 0),
      action("down", "▶", "Later", () => this.move(i, 1), i === this.list.length - 1),
      action("delete", "Delete", "Delete", () => this.attempt(async () => { await send("DELETE", `/api/picks/${pick.id}`, {}); this.status(`Deleted “${name}”. Undo brings it back.`); await this.load(); $("undo").focus(); }), false));
    const card = element("li", {}, show, label, row);
    card.dataset.id = pick.id;
    return card;
  }

  async move(i, by) {
    const ids = this.list.map((pick) => pick.id);
    [ids[i], ids[i + by]] = [ids[i + by], ids[i]];
    await this.attempt(async () => { await send("POST", "/api/order", ids); await this.load(); });
  }

  // the gate's sentence without the name, which stands beside it
  reason(shot) { const text = shot.sentence.startsWith(`${shot.name}: `) ? shot.sentence.slice(shot.name.length + 2) : shot.sentence; return text.charAt(0).toUpperCase() + text.slice(1); }

  async sets() {
    const words = { done: "finished", cancelled: "cancelled", interrupted: "interrupted", failed: "failed", working: "being made" };
    const all = await get("/api/sets");
    $("sets").replaceChildren(...all.slice(0, 5).map((set) => {
      const box = element("div", { className: "set" }), good = set.shots.filter((s) => s.level !== "refused");
      const title = element("div", { className: "title-row" }, element("h3", {}, `Set of ${set.id.replace(/^(....)(..)(..)-(..)(..).*/, "$1-$2-$3 $4:$5")}: ${good.length} of ${set.count} ${set.count === 1 ? "picture" : "pictures"}, ${words[set.state]}`));
      if (good.length) title.append(element("a", { className: "button", href: `/api/sets/${set.id}.zip`, download: "" }, "Download all (zip)"));
      const list = element("ol", { className: "cards" }, ...set.shots.map((shot) => {
        const path = `/api/sets/${set.id}/${encodeURIComponent(shot.file)}`, refused = shot.level === "refused";
        const card = element("li", { className: refused ? "refused" : "" }, element("img", { src: path, alt: shot.name, loading: "lazy" }), element("div", {}, shot.name));
        if (refused) card.append(element("p", { className: "reason" }, `Refused. ${this.reason(shot)}`));
        else {
          const link = element("a", { href: `${path}?save=1`, download: shot.file }, "Download");
          link.setAttribute("aria-label", `Download ${shot.name}`);
          card.append(link);
          if (shot.sentence) card.append(element("p", { className: "reason" }, this.reason(shot)));
          for (const one of shot.failed || []) card.append(element("p", { className: "reason" }, `Office: ${one.name}, ${one.found}; wanted ${one.wanted}.`));
        }
        return card;
      }));
      box.append(title, list);
      return box;
    }));
  }
}
