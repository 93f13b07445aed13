// The page: one look, shown as a proxy while it changes (as pictures of the field where the server makes them fast
// enough) and as a picture when it rests.

import { camera } from "/static/camera.js";
import { Above } from "/static/above.js";
import { Compare } from "/static/compare.js";
import { Controls } from "/static/controls.js";
import { guides, office } from "/static/office.js";
import { Picks } from "/static/picks.js";
import { Live, get, send, withLook, ask } from "/static/server.js";
import { Stage } from "/static/stage.js";
import { Videos } from "/static/videos.js";

const $ = (id) => document.getElementById(id);
const MEMORY = "head3d-look";
const times = { opened: performance.now() };
const CAMERA = ["yaw_deg", "pitch_deg", "roll_deg", "distance_m", "focal_mm"];
// field: height of the pictures that can be had while the head moves, 0 if none; heard, drawn: numbers of the last of them
const page = { look: null, panel: null, number: 0, shown: "", moving: false, overlay: false, field: 0, heard: 0, drawn: 0, times, frames: {} };
const LATE_MS = 150; // without a picture of the field for so long the proxy is shown
window.head3d = page; // for tests and for the curious
const stage = new Stage($("proxy"));
const STILL_MS = 150; // as long as the server waits before it begins a picture
let live = null, light = "", mesh = "", still = 0, late = 0, baking = 0;

function status(text, bad = false) { const line = $("status"); if (line.textContent !== text) line.textContent = text; line.classList.toggle("bad", bad); }

// everything that changes the look goes through here
function change(values, { moving = false } = {}) {
  // whoever turns the head leaves the photo's camera, and starts from where it stood
  if (page.look.seen_from && !("seen_from" in values) && CAMERA.some((key) => key in values)) {
    const { yaw_deg, pitch_deg, distance_m } = compare.photo(page.look);
    values = { ...values, seen_from: "", roll_deg: 0, distance_m };
    if ("yaw_deg" in values) values = { ...values, yaw_deg: yaw_deg + values.yaw_deg - page.look.yaw_deg, pitch_deg: pitch_deg + (values.pitch_deg ?? page.look.pitch_deg) - page.look.pitch_deg };
  }
  Object.assign(page.look, values);
  const b = page.panel.bounds;
  if (Math.abs(page.look.yaw_deg) > 180) page.look.yaw_deg = ((((page.look.yaw_deg + 180) % 360) + 360) % 360) - 180;
  for (const key of ["pitch_deg", "roll_deg", "distance_m"]) page.look[key] = Math.min(b[key][1], Math.max(b[key][0], page.look[key]));
  page.look.light_yaw_deg = ((((page.look.light_yaw_deg + 180) % 360) + 360) % 360) - 180;
  sessionStorage.setItem(MEMORY, JSON.stringify(page.look));
  controls.show(page.look);
  compare.show(page.look);
  above.show(page.look);
  const backdrop = withLook("/api/backdrop.jpg", { backdrop: page.look.backdrop }, "&width=256&height=256");
  if (page.backdrop !== backdrop) { page.backdrop = backdrop; $("window").style.backgroundImage = `url("${backdrop}")`; }
  show_proxy();
  prepare();
  request(moving);
}

function prepare() {
  const { light: name, light_yaw_deg, light_frame, light_exposure, backdrop, garment } = page.look;
  const wanted = JSON.stringify({ light: name, light_yaw_deg, light_frame, light_exposure, backdrop });
  if (light !== wanted) {
    light = wanted;
    get(withLook("/api/light", page.look)).then((table) => { if (light === wanted) { stage.light = table; stage.gain = table.gain; redraw(); } }).catch((e) => status(e.message, true));
  }
  const wanted_mesh = shaped(page.look), shape = JSON.stringify(wanted_mesh);
  if (mesh !== shape) {
    mesh = shape;
    clearTimeout(baking);
    // eyes that look into the camera are baked for the place where it comes to rest
    baking = setTimeout(() => bake(wanted_mesh, shape), page.look.gaze === "camera" ? STILL_MS : 0);
    busy(garment === "own" || page.mesh?.includes(`"garment":"${garment}"`) ? "" : "Cutting the clothes…");
  }
}

// what the mesh depends on; of the camera only what eyes that look into it need
function shaped({ expression, units, garment, garment_color, gaze, gaze_yaw_deg, gaze_pitch_deg, yaw_deg, pitch_deg, distance_m, seen_from }) {
  const own = { expression, units, garment, garment_color, gaze_yaw_deg, gaze_pitch_deg };
  return gaze === "camera" ? { ...own, gaze, ...(seen_from ? { seen_from } : { yaw_deg, pitch_deg, distance_m }) } : own;
}

function bake(wanted, shape) {
  ask(withLook("/api/proxy", wanted)).then((reply) => reply.arrayBuffer()).then((buffer) => {
    if (mesh === shape) { stage.load(buffer); page.mesh = shape; times.proxy ??= performance.now(); busy(""); redraw(); }
  }).catch((e) => { busy(""); status(e.message, true); });
}

function busy(text) { if (text) status(text); else if ($("status").textContent.endsWith("…") && live) status("Ready."); }

const ratio = () => Math.min(window.devicePixelRatio || 1, 2);
const height = () => Math.max(128, Math.round($("window").clientHeight * ratio() / 16) * 16);

function redraw() {
  if (!page.look) return;
  const cam = camera(page.look, page.panel);
  $("window").style.setProperty("--aspect", cam.aspect);
  guides($("guides"), cam, page.panel.frames[page.look.crop]);
  stage.draw(cam, page.look.yaw_deg, height());
  if (stage.ready && stage.light) $("wait").hidden = true;
}

function show_proxy() {
  const now = performance.now();
  if (!page.moving) times.field = now; // what is shown may stay until the first picture of the field is there
  page.moving = true;
  if (!page.field || now - times.field > LATE_MS) to_proxy();
  else { clearTimeout(late); late = setTimeout(() => { if (page.moving && page.drawn !== page.number) to_proxy(); }, LATE_MS); }
  requestAnimationFrame(redraw);
}

function to_proxy() { if (stage.ready) { $("frame").hidden = true; page.shown = "proxy"; } }

function request(moving) {
  page.number += 1;
  if (page.shown !== "proxy") page.shown = "";
  times.asked = performance.now();
  const wanted = () => ({ type: "look", number: page.number, look: page.look, height_px: Math.min(1024, height()), overlay: page.overlay });
  live?.say(page.field ? { ...wanted(), moving: true, heard: page.heard } : { type: "moving" });
  clearTimeout(still);
  // the server waits until the head has been still; while a finger is down it need not hear of every step
  still = setTimeout(() => live?.say(wanted()), moving || page.field ? 60 : 0);
}

function show(url) {
  const frame = $("frame"), old = frame.src;
  frame.src = url; frame.hidden = false;
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
}

// the field while the head moves: older than the newest look by a picture or two, but never older than what is shown
function onmoving(header, body) {
  page.heard = header.number;
  if (!page.field) { if (page.moving) to_proxy(); return; }
  const url = URL.createObjectURL(new Blob([body], { type: "image/jpeg" }));
  const image = new Image();
  image.src = url;
  image.decode().then(() => {
    if (!page.moving || header.number <= page.drawn) { URL.revokeObjectURL(url); return; }
    show(url);
    page.drawn = header.number; page.shown = "moving"; stage.gain = header.gain;
    times.field = performance.now();
    page.frames.moving = { ms: times.field - times.asked, ...header };
  });
}

function onframe(header, body) {
  if (header.moving_px !== undefined) page.field = header.moving_px;
  if (header.kind === "moving") { onmoving(header, body); return; }
  if (header.number !== page.number) return;
  if (header.type === "error") { status(header.text, true); return; }
  if (header.kind === "draft" && stage.ready && header.size[0] < 0.5 * height()) {
    // on a slow machine the mesh shows more than a small draft: keep it, with the draft's exposure
    page.frames.draft = { ms: performance.now() - times.asked, ...header };
    stage.gain = header.gain;
    redraw();
    return;
  }
  const url = URL.createObjectURL(new Blob([body], { type: "image/jpeg" }));
  const image = new Image();
  image.src = url;
  image.decode().then(() => {
    if (header.number !== page.number) { URL.revokeObjectURL(url); return; }
    show(url);
    page.moving = false; page.shown = header.kind; stage.gain = header.gain;
    $("wait").hidden = true;
    const waited = performance.now() - times.asked;
    page.frames[header.kind] = { ms: waited, ...header };
    const words = { draft: "Draft", full: "Picture", refined: "Fine picture" };
    $("kind").textContent = `${words[header.kind]}, ${(waited / 1000).toFixed(1)} s`;
    $("frame").alt = describe(page.look);
    const line = $("verdict");
    line.hidden = header.level === "good"; line.classList.toggle("refused", header.level === "refused");
    const said = header.sentence.replace(/^[^:]*: n/, "N");
    if (line.textContent !== said) line.textContent = said;
    if (header.checks) office(header.checks);
  });
}

export function describe(look) {
  const side = Math.abs(look.yaw_deg) < 3 ? "seen from the front" : `turned ${Math.abs(Math.round(look.yaw_deg))}° to their ${look.yaw_deg > 0 ? "left" : "right"}`;
  return `The head, ${side}, light ${controls.lightWord(look.light)}`;
}

// Pointer, wheel and keys on the picture
function gestures() {
  const box = $("stage"), fingers = new Map();
  let spread = 0;
  box.addEventListener("pointerdown", (e) => { box.setPointerCapture(e.pointerId); fingers.set(e.pointerId, e); spread = 0; });
  box.addEventListener("pointermove", (e) => {
    const before = fingers.get(e.pointerId);
    if (!before) return;
    fingers.set(e.pointerId, e);
    if (fingers.size === 2) {
      const [a, b] = [...fingers.values()], now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (spread) change({ distance_m: (page.look.distance_m * spread) / now, focal_mm: page.look.focal_mm || lens() }, { moving: true });
      spread = now;
      return;
    }
    const dx = e.clientX - before.clientX, dy = e.clientY - before.clientY;
    if (!dx && !dy) return;
    if (e.shiftKey) change({ light_yaw_deg: page.look.light_yaw_deg + dx * 0.5 }, { moving: true });
    else change({ yaw_deg: page.look.yaw_deg + dx * 0.4, pitch_deg: page.look.pitch_deg - dy * 0.3 }, { moving: true });
  });
  for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, (e) => fingers.delete(e.pointerId));
  box.addEventListener("wheel", (e) => {
    e.preventDefault();
    change({ distance_m: page.look.distance_m * Math.exp(e.deltaY * 0.001), focal_mm: page.look.focal_mm || lens() }, { moving: true });
  }, { passive: false });
  box.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target !== box) return;
    const step = e.shiftKey ? 1 : 5, l = page.look;
    const act = {
      ArrowLeft: () => change({ yaw_deg: l.yaw_deg - step }), ArrowRight: () => change({ yaw_deg: l.yaw_deg + step }),
      ArrowUp: () => change({ pitch_deg: l.pitch_deg + step }), ArrowDown: () => change({ pitch_deg: l.pitch_deg - step }),
      "+": () => change({ distance_m: l.distance_m - 0.1 }), "=": () => change({ distance_m: l.distance_m - 0.1 }), "-": () => change({ distance_m: l.distance_m + 0.1 }),
      "[": () => change({ roll_deg: l.roll_deg - step / 5 }), "]": () => change({ roll_deg: l.roll_deg + step / 5 }),
      k: () => keep(), u: () => picks.undo(), Home: () => change({ yaw_deg: 0, pitch_deg: 0, roll_deg: 0 }),
    }[e.key];
    if (act) { e.preventDefault(); act(); }
  });
  new ResizeObserver(() => { if (page.look) { redraw(); request(true); } }).observe($("stage"));
}

// the lens that shows what is shown now, so that stepping back makes the head smaller
const lens = () => Math.round((0.57 * page.look.distance_m) / 0.235 * 24);

async function keep() {
  const box = $("name"), nearest = controls.angleOf(page.look);
  const name = box.value.trim() || `${nearest}, ${controls.lightWord(page.look.light)}`;
  try { await send("POST", "/api/picks", { ...page.look, name }); box.value = ""; status(`Kept “${name}”.`); } catch (e) { status(e.message, true); return; }
  await picks.load();
}

const controls = new Controls(page, change, (on) => { page.overlay = on; request(false); }, status);
const compare = new Compare(page, change);
const above = new Above($("above"), page, change);
const picks = new Picks(page, (look) => { change({ ...page.panel.look, ...look }); $("stage").focus({ preventScroll: false }); }, status);
const videos = new Videos(page, status);

async function begin() {
  const state = await get("/api/state");
  $("subject").textContent = state.name; document.title = `${state.name} · head3d`;
  if (!state.made) { location.replace("/capture"); return; }
  if (state.problem) throw new Error(state.problem);
  page.state = state;
  page.panel = await get("/api/panel");
  const kept = sessionStorage.getItem(MEMORY);
  page.look = { ...page.panel.look, ...(kept ? JSON.parse(kept) : {}) };
  controls.build(page.panel);
  compare.build(page.panel);
  above.build(page.panel);
  live = new Live({
    onframe,
    onstate: (on) => {
      status(on ? "Ready." : "The connection is lost. Trying again…", !on);
      if (on) { request(false); picks.load().catch(() => {}); controls.thumbs(); }
    },
  });
  page.live = live;
  gestures();
  change({});
  picks.begin((event) => videos.heard(event));
  videos.begin();
  times.ready = performance.now();
}

$("keep").addEventListener("click", keep);
$("reset").addEventListener("click", () => change({ ...page.panel.look }));
$("invite").addEventListener("click", async () => {
  try { $("link").textContent = (await send("POST", "/api/link", {})).link; } catch (e) { status(e.message, true); }
});
begin().catch((e) => { status(e.message, true); $("wait").classList.add("failed"); $("wait-text").textContent = e.message; });
