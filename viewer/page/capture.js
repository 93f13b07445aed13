// Photos in, verdicts at once; then the stages of the run as they happen.

import { ask, get, send } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const STAGES = { capture: "Read the photos", perception: "Find the face", fit: "Fit the head", field: "Learn the person", views: "Render views", headshots: "Finish headshots", report: "Write the report" };
const PRESETS = { cpu: "Normal", fast: "Fast", quality: "Best, takes long", video: "From a video" };
const stages = new Map();
let chosen = false; // somebody chose how the head is made

function status(text, bad = false) { $("status").textContent = text; $("status").classList.toggle("bad", bad); }
const attempt = async (work) => { try { await work(); } catch (error) { status(error.message, true); } };
const make = (tag, properties = {}, ...children) => { const one = Object.assign(document.createElement(tag), properties); one.append(...children); return one; };

// what is said of a photo: here one presses a face, the command line has its number
function words(photo) {
  if (photo.crowd) return `✗ Not used yet: ${photo.faces.length} people. Press the face that is meant.`;
  return photo.accepted ? `✓ ${photo.warnings.join("; ") || "Good."}` : `✗ Not used: ${photo.reasons.join("; ")}`;
}

// a photo of several people: a button on each face, with the number that the report and --face give it
function faces(photo, image) {
  const buttons = photo.faces.map(([left, top, right, bottom], face) => {
    const button = make("button", { type: "button" }, make("span", {}, String(face)));
    Object.assign(button.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%` });
    button.setAttribute("aria-pressed", String(face === photo.face));
    button.setAttribute("aria-label", `Face ${face}${face ? "" : ", the largest,"} is meant`);
    button.onclick = () => attempt(() => choose(photo, face));
    return button;
  });
  const box = make("div", { className: "faces" }, image, ...buttons);
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", `${photo.faces.length} people on ${photo.name}: who is meant?`);
  return box;
}

async function choose(photo, face) {
  status(`Looking for face ${face} of ${photo.name}…`);
  const told = await send("POST", `/api/capture/photo/${photo.id}/face`, { face });
  await load();
  document.querySelectorAll(`#photos [data-id="${photo.id}"] .faces button`)[face]?.focus();
  status(told.accepted ? `Face ${face} of ${told.name} is meant.` : `Face ${face} of ${told.name} cannot be used: ${told.reasons.join("; ")}.`, !told.accepted);
}

function card(photo) {
  const image = make("img", { src: `/api/capture/photo/${photo.id}.jpg?faces=${photo.faces?.length || 0}`, alt: "" });
  const verdict = make("p", { className: photo.accepted ? "good" : "reason" }, words(photo));
  const remove = make("button", { type: "button" }, "Remove");
  remove.setAttribute("aria-label", `Remove ${photo.name}`);
  remove.onclick = () => attempt(async () => { await send("DELETE", `/api/capture/photo/${photo.id}`, {}); await load(); });
  const crowd = photo.faces?.length > 1;
  const made = make("li", { className: `${photo.accepted ? "" : "refused"}${crowd ? " crowd" : ""}` }, crowd ? faces(photo, image) : image, make("div", {}, photo.name), verdict, remove);
  made.dataset.id = photo.id;
  return made;
}

async function add(files) {
  for (const file of files) {
    const waiting = make("li", {}, make("div", {}, file.name), make("p", { className: "hint" }, "Looking at it…"));
    $("photos").append(waiting);
    await attempt(async () => {
      const photo = await (await ask(`/api/capture/photo?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file })).json();
      document.querySelector(`#photos [data-id="${photo.id}"]`)?.remove();
      waiting.replaceWith(card(photo));
      if (photo.video) await load();
      if (photo.crowd) status(`${photo.name} shows ${photo.faces.length} people: press the face that is meant.`);
      else status(photo.accepted ? `${photo.name} is good.` : `${photo.name} cannot be used: ${photo.reasons.join("; ")}.`, !photo.accepted);
    });
    if (waiting.isConnected) waiting.remove();
  }
}

function show_stages() {
  $("stages").replaceChildren(...Object.entries(STAGES).map(([name, label]) => {
    const stage = stages.get(name) || {};
    const words = { done: `done${stage.seconds !== undefined ? ` in ${stage.seconds.toFixed(0)} s` : ""}`, fresh: "kept", working: stage.text || "working" };
    const item = make("li", { className: stage.state || "" }, make("span", {}, label), make("span", {}, words[stage.state] || ""));
    if (stage.state === "working" && stage.steps) {
      const bar = make("progress", { max: stage.steps, value: stage.step || 0 });
      bar.setAttribute("aria-label", label);
      item.append(bar);
    }
    return item;
  }));
}

// the newest picture of the head in training takes the place of the one before when it is there; nothing is read out
let newest = null;
async function preview(step) {
  newest = step;
  let url = "";
  if (step !== null) {
    try { url = URL.createObjectURL(await (await ask("/api/capture/preview.jpg")).blob()); } catch { return; } // over meanwhile
  }
  if (newest !== step) { if (url) URL.revokeObjectURL(url); return; }
  const image = $("preview"), old = image.src;
  if (url) image.src = url; else image.removeAttribute("src");
  image.hidden = !url;
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
}

function heard(event) {
  const current = [...stages].reverse().find(([, s]) => s.state === "working")?.[0];
  if (event.event === "StageStart") stages.set(event.stage, { ...stages.get(event.stage), state: "working", steps: event.steps, step: 0 });
  if (event.event === "Progress") stages.set(event.stage, { ...stages.get(event.stage), state: "working", step: event.step, steps: event.steps, text: event.what });
  if (event.event === "TrainStep" && current) stages.set(current, { state: "working", step: event.step, steps: event.steps, text: `step ${event.step} of ${event.steps}` });
  if (event.event === "StageDone") stages.set(event.stage, { state: event.fresh ? "fresh" : "done", seconds: event.seconds });
  if (event.event === "Preview") preview(event.step);
  if (event.event === "Notice") $("notices").append(make("li", {}, event.text));
  if (event.event === "RunEnded") load().then(() => status(event.code === 0 ? "The head is ready." : event.problem || "Stopped. Start again to go on.", event.code !== 0));
  show_stages();
}

async function load() {
  const [state, about] = await Promise.all([get("/api/capture"), get("/api/state")]);
  $("subject-name").textContent = about.name;
  const awaited = document.querySelectorAll("#photos > li:not([data-id])"); // an upload's answer takes its place
  $("photos").replaceChildren(...state.photos.map(card), ...awaited);
  if (!$("preset").options.length) $("preset").replaceChildren(...Object.entries(PRESETS).filter(([value]) => state.presets.includes(value)).map(([value, label]) => new Option(label, value)));
  if (!chosen && [...$("preset").options].some((one) => one.value === "video")) $("preset").value = state.photos.some((one) => one.video && one.accepted) ? "video" : $("preset").options[0].value;
  if (state.consent_by && !$("by").value) $("by").value = state.consent_by;
  $("start").disabled = state.running; $("cancel").hidden = !state.running; $("studio").hidden = state.running || !state.made;
  const ready = state.made && !state.running && !state.problem;
  $("start").textContent = ready ? "Make it again" : state.started && !state.running ? "Go on" : "Start";
  $("start").classList.toggle("main", !ready); $("studio").classList.toggle("main", ready);
  $("problem").hidden = !state.problem; $("problem").textContent = state.problem;
  preview(state.preview);
  stages.clear(); $("notices").replaceChildren();
  for (const event of state.events) heard(event);
  show_stages();
  return state;
}

for (const id of ["files", "shoot"]) $(id).onchange = (e) => { add([...e.target.files]); e.target.value = ""; };
$("preset").onchange = () => { chosen = true; };
const drop = $("drop");
for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, (e) => { e.preventDefault(); drop.classList.toggle("over", name === "dragover"); });
drop.addEventListener("drop", (e) => add([...e.dataTransfer.files]));
$("start").onclick = () => attempt(async () => {
  await send("POST", "/api/capture/start", { consent: $("consent").checked, by: $("by").value, scope: $("scope").value, preset: $("preset").value });
  status("Making the head…");
  await load();
});
$("cancel").onclick = () => attempt(async () => { await send("POST", "/api/capture/cancel", {}); status("Stopping…"); });
$("erase").onclick = () => attempt(async () => {
  const { left } = await send("POST", "/api/capture/erase", { confirm: $("confirm").value });
  $("confirm").value = $("by").value = ""; $("consent").checked = false; // the next person is asked anew
  status(left.length ? `Deleted, except ${left.join(", ")}, which head3d did not make.` : "Everything is deleted.");
  await load();
});
const events = new EventSource("/api/events");
events.onmessage = ({ data }) => { const event = JSON.parse(data); if (event.run || event.event === "RunEnded") heard(event); };
events.onopen = () => load().catch((e) => status(e.message, true));
window.head3d = { stages, load };
