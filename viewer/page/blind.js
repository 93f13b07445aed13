// The blind test: one picture after the other; what they are is told when the answers are in.

import { send } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const state = { id: "", shown: [], at: 0, answers: {} };
window.head3d = { blind: state };

function status(text, bad = false) { $("status").textContent = text; $("status").classList.toggle("bad", bad); }
const attempt = async (work) => { try { await work(); } catch (error) { status(error.message, true); } };
const only = (id) => { for (const one of ["intro", "test", "result"]) $(one).hidden = one !== id; };

function show() {
  const name = state.shown[state.at];
  $("count").textContent = `${state.at + 1} of ${state.shown.length}`;
  $("bar").max = state.shown.length; $("bar").value = state.at;
  $("picture").src = `/api/blind/${state.id}/${name}`;
  $("picture").alt = `Picture ${state.at + 1}`;
  const next = state.shown[state.at + 1];
  if (next) new Image().src = `/api/blind/${state.id}/${next}`;
}

const begin = () => attempt(async () => {
  $("begin").disabled = true; status("Making the pictures: some seconds for each photo…");
  try { Object.assign(state, { at: 0, answers: {} }, await send("POST", "/api/blind", { rater: $("rater").value })); } finally { $("begin").disabled = false; }
  status(""); only("test"); show(); $("is-photo").focus();
});

function say(render) {
  if (render !== null) state.answers[state.shown[state.at]] = render;
  state.at += 1;
  if (state.at < state.shown.length) show(); else end();
}

const end = () => attempt(async () => {
  if (!Object.keys(state.answers).length) { only("intro"); status("Nothing was judged."); return; }
  const r = await send("POST", `/api/blind/${state.id}`, { answers: state.answers }), percent = (x) => `${Math.round(100 * x)} %`;
  only("result");
  $("result-title").textContent = `${r.right} of ${r.judged} told rightly`;
  $("result-text").textContent = `${r.told_apart ? "Photos and renders are told apart" : "That could be guessing"} (${percent(r.interval[0])} to ${percent(r.interval[1])} with 95 % confidence; guessing is 50 %). Renders taken for photos: ${percent(r.renders_taken_for_photos)}. Photos taken for renders: ${percent(r.photos_taken_for_renders)}.`;
  $("result-title").focus();
});

$("begin").onclick = begin;
$("again").onclick = () => { only("intro"); $("begin").focus(); };
$("is-photo").onclick = () => say(false);
$("is-render").onclick = () => say(true);
$("skip").onclick = () => say(null);
$("enough").onclick = end;
document.addEventListener("keydown", (e) => {
  if ($("test").hidden || e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input")) return;
  const act = { p: () => say(false), r: () => say(true), s: () => say(null) }[e.key.toLowerCase()];
  if (act) { e.preventDefault(); act(); }
});
