// Live: pictures of the webcam, or of a video file, go to the server one at a time; the head comes back in their pose.

import { get, withLook } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const SIDE = 480; // of what is sent: the net sees 192 px of the face
const state = { on: false, pictures: 0, fps: 0, face: "" };
const page = crypto.randomUUID();
window.head3d = { live: state };
let look = { light: "soft-front" }, stream = null, url = "";

function status(text, bad = false) { if ($("status").textContent !== text) $("status").textContent = text; $("status").classList.toggle("bad", bad); }
const attempt = async (work) => { try { await work(); } catch (error) { status(error.message, true); } };

async function webcam() {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("This browser gives no webcam to this page: open it as http://127.0.0.1 or over HTTPS, or choose a video.");
  stop();
  try { stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480, facingMode: "user" }, audio: false }); } catch { throw new Error("The webcam may not be used. Allow it in the browser, or choose a video."); }
  $("source").srcObject = stream;
  await begin();
}
async function video(file) {
  stop();
  $("source").srcObject = null; $("source").src = URL.createObjectURL(file); $("source").loop = true;
  await begin();
}
async function begin() {
  await $("source").play();
  state.on = true; state.pictures = 0; $("stop").hidden = false; $("rest").hidden = false;
  $("live-empty").hidden = true; $("live-show").hidden = false;
  status("Look straight ahead for a second, at rest.");
  run();
}
function stop() {
  state.on = false; $("stop").hidden = true; $("rest").hidden = true;
  stream?.getTracks().forEach((track) => track.stop()); stream = null;
  $("source").pause();
}

async function run() {
  const canvas = document.createElement("canvas"), times = [];
  while (state.on) {
    const { videoWidth: w, videoHeight: h } = $("source"), scale = Math.min(1, SIDE / Math.max(w, h));
    if (!w) { await new Promise((done) => setTimeout(done, 50)); continue; }
    canvas.width = Math.round(w * scale); canvas.height = Math.round(h * scale);
    canvas.getContext("2d").drawImage($("source"), 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
    try {
      const reply = await fetch(withLook("/api/live/frame", look, `&page=${page}`), { method: "POST", body: blob });
      if (!reply.ok) throw new Error((await reply.json()).error);
      state.face = reply.headers.get("x-face");
      const body = await reply.blob();
      if (body.size) { const next = URL.createObjectURL(body), image = new Image(); image.src = next; await image.decode(); $("head").src = next; if (url) URL.revokeObjectURL(url); url = next; }
      state.pictures += 1;
      const now = performance.now(); times.push(now); if (times.length > 20) times.shift();
      state.fps = times.length > 1 ? (1000 * (times.length - 1)) / (now - times[0]) : 0;
      $("pace").textContent = `${state.fps.toFixed(1)} pictures a second (following ${reply.headers.get("x-following-ms")} ms, drawing ${reply.headers.get("x-drawing-ms")} ms)`;
      status({ none: "No face to be seen.", rest: "Look straight ahead for a second, at rest.", followed: "Following." }[state.face]);
    } catch (error) { status(error.message, true); await new Promise((done) => setTimeout(done, 500)); }
  }
}

$("webcam").onclick = () => attempt(webcam);
$("file").onchange = (e) => { const [file] = e.target.files; e.target.value = ""; if (file) attempt(() => video(file)); };
$("stop").onclick = () => { stop(); status("Stopped."); };
$("rest").onclick = () => attempt(() => fetch(`/api/live/rest?page=${page}`, { method: "POST" }));
$("light").onchange = () => { look = { ...look, light: $("light").value }; };
get("/api/panel").then((panel) => $("light").replaceChildren(...panel.lights.filter((l) => l.value !== "backdrop").map((l) => new Option(l.label, l.value)))).catch((e) => status(e.message, true));
