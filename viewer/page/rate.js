// Votes: pairs or stars, one key each, or a photographer's checklist; what is voted is on the disk before the next pictures come.

import { mark, radios } from "/static/choices.js";
import { get, send } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => { const one = Object.assign(document.createElement(tag), properties); one.append(...children); return one; };
const AXES = { likeness: ["Likeness", "Which looks more like the person?", "How much like the person?"], professionalism: ["Professional", "Which fits a company page better?", "How well would it fit a company page?"], appeal: ["Appeal", "Which do you like better?", "How much do you like it?"] };
const state = { axis: "likeness", kind: "pairwise", items: [], given: 0, busy: false, skipped: 0 };
const MEMORY = "head3d-rater";
window.head3d = { rate: state };

function status(text, bad = false) { $("status").textContent = text; $("status").classList.toggle("bad", bad); }
const picture = (name) => `/api/rate/picture?name=${encodeURIComponent(name)}`;
const query = () => `kind=${state.kind}&axis=${state.axis}`;

function show(asked) {
  Object.assign(state, asked);
  const pair = state.kind === "pairwise", words = AXES[state.axis];
  mark($("axes"), state.axis); mark($("kinds"), state.kind);
  const list = state.kind === "checklist";
  $("question").textContent = list ? `What is right? (${words[0].toLowerCase()})` : words[pair ? 1 : 2];
  $("count").textContent = pair ? `${asked.given} votes so far, ${asked.pictures} pictures` : `${asked.left} of ${asked.pictures} pictures without ${list ? "a list" : "stars"}`;
  $("arena").className = pair ? "arena" : "arena one";
  $("arena").replaceChildren(...asked.items.map((name, i) => {
    const image = make("img", { src: picture(name), alt: pair ? `${i ? "Right" : "Left"} picture` : "The picture" });
    if (!pair) return image;
    const button = make("button", { type: "button", className: "choice" }, image);
    button.setAttribute("aria-label", `The ${i ? "right" : "left"} one`);
    button.onclick = () => vote(i);
    return button;
  }));
  const answer = (text, key, act, main) => { const b = make("button", { type: "button", className: main ? "main" : "" }, `${text} `, make("kbd", {}, key)); b.onclick = act; b.dataset.key = key; return b; };
  if (list) {
    const points = asked.checklist.map((point, i) => { const box = make("input", { type: "checkbox", value: i }); return make("label", {}, box, ` ${point}`); });
    const sum = () => points.reduce((bits, label, i) => bits | (label.firstChild.checked << i), 0);
    $("answers").replaceChildren(make("div", { className: "points" }, ...points), answer("Keep", "⏎", () => vote(sum()), true), answer("Skip", "S", skip));
    $("rate-keys").textContent = "Tick what is right. Keys: 1 to 7 tick, Enter keeps, S skip. A checklist weighs as much as three glances.";
  } else $("answers").replaceChildren(...(pair
    ? [answer("Left", "←", () => vote(0), true), answer("Equal", "=", () => vote(null)), answer("Right", "→", () => vote(1), true), answer("Skip", "S", skip)]
    : [...[1, 2, 3, 4, 5].map((n) => answer("★".repeat(n), String(n), () => vote(n))), answer("Skip", "S", skip)]));
  if (!list) $("rate-keys").textContent = pair ? "Keys: ← left, → right, = equal, S skip." : "Keys: 1 to 5 stars, S skip.";
  for (const name of asked.items) { const ahead = new Image(); ahead.src = picture(name); }
}

async function attempt(work) { if (state.busy) return; state.busy = true; try { await work(); } catch (error) { status(error.message, true); } finally { state.busy = false; } }
// another question may be chosen while the last is on its way: the newest counts
async function load() {
  const asked = query();
  mark($("axes"), state.axis); mark($("kinds"), state.kind);
  try {
    const found = await get(`/api/rate?${asked}`);
    if (asked === query()) { show(found); await ranking(); }
  } catch (error) { status(error.message, true); $("arena").replaceChildren(); $("answers").replaceChildren(); }
}
const skip = () => attempt(async () => { show(await get(`/api/rate?${query()}`)); status("Skipped."); });
const vote = (choice) => attempt(async () => {
  const sent = { kind: state.kind, axis: state.axis, rater: $("rater").value, items: state.items, choice };
  const asked = await send("POST", "/api/rate", sent);
  if (`kind=${sent.kind}&axis=${sent.axis}` === query()) show(asked);
  status("Kept.");
  if (asked.given % 4 === 0) ranking().catch(() => {});
});

async function ranking() {
  const found = await get(`/api/rate/ranking?axis=${state.axis}`), short = found.needed - found.comparisons;
  $("ranking-text").className = found.ranked.length ? "hint" : "empty";
  $("ranking-text").textContent = found.ranked.length
    ? `From ${found.comparisons} comparisons; foretells ${Math.round(100 * found.held_out)} % of those it was not shown (guessing: 50 %).`
    : `${found.comparisons} of ${found.needed} comparisons: ${short} more, and the pictures are ranked here.`;
  $("ranking").replaceChildren(...found.ranked.slice(0, 6).map((name, i) => make("li", {}, make("img", { src: picture(name), alt: "", loading: "lazy" }), make("div", {}, `${i + 1}. ${name.split("/").pop().replace(/\.[a-z]+$/, "")}`))));
}

radios($("axes"), Object.entries(AXES).map(([value, [label]]) => ({ value, label })), (value) => { state.axis = value; load(); });
radios($("kinds"), [{ value: "pairwise", label: "Pairs" }, { value: "stars", label: "Stars" }, { value: "checklist", label: "Checklist" }], (value) => { state.kind = value; load(); });
// chosen with the mouse, the arrow keys are for votes again; with the keyboard they go on choosing
for (const id of ["axes", "kinds"]) $(id).addEventListener("click", (e) => { if (e.detail) document.activeElement?.blur(); });
$("rater").value = localStorage.getItem(MEMORY) || "me";
$("rater").onchange = () => localStorage.setItem(MEMORY, $("rater").value);
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input:not([type=checkbox])")) return;
  const key = { ArrowLeft: "←", ArrowRight: "→", "=": "=", s: "S", S: "S", Enter: "⏎" }[e.key] || e.key;
  if (e.key === "Enter" && e.target.matches("a, button")) return; // it does what it says
  const box = /^[1-9]$/.test(key) && $("answers").querySelector(`input[value="${key - 1}"]`);
  if (box) { e.preventDefault(); box.click(); return; }
  const button = [...$("answers").children].find((b) => b.dataset.key === key);
  if (button) { e.preventDefault(); button.click(); }
});
load();
