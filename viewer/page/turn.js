// One file to turn a head offline: the mesh and the lights lie in the page.

const data = JSON.parse(document.getElementById("data").textContent);
const bytes = Uint8Array.from(atob(data.mesh), (c) => c.charCodeAt(0));
const stage = new Stage(document.getElementById("proxy"));
const look = { yaw_deg: 0, pitch_deg: 0, roll_deg: 0, distance_m: 1.5, focal_mm: null, crop: "as-rendered" };
const box = document.getElementById("stage"), choice = document.getElementById("light");
let spinning = false, down = null;
window.head3d = { look, stage };

function draw() {
  const height = Math.round(box.clientHeight * Math.min(window.devicePixelRatio || 1, 2));
  stage.draw(camera(look), look.yaw_deg, height);
}
function change(values) {
  Object.assign(look, values);
  look.pitch_deg = Math.max(-85, Math.min(85, look.pitch_deg));
  requestAnimationFrame(draw);
}
function lit() { const one = data.lights[choice.value]; stage.light = one; stage.gain = one.gain; draw(); }

async function begin() {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  stage.load(await new Response(stream).arrayBuffer());
  choice.replaceChildren(...Object.keys(data.lights).map((name) => new Option(name.replace("-", " "), name)));
  choice.onchange = lit;
  lit();
  if (!stage.ready) document.getElementById("note").textContent = "This browser cannot draw in 3D (WebGL 2 is missing).";
}
box.addEventListener("pointerdown", (e) => { box.setPointerCapture(e.pointerId); down = e; spinning = false; });
box.addEventListener("pointermove", (e) => { if (!down) return; change({ yaw_deg: look.yaw_deg + (e.clientX - down.clientX) * 0.4, pitch_deg: look.pitch_deg - (e.clientY - down.clientY) * 0.3 }); down = e; });
for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, () => { down = null; });
box.addEventListener("wheel", (e) => { e.preventDefault(); change({ focal_mm: Math.max(30, Math.min(250, (look.focal_mm || 87) * Math.exp(-e.deltaY * 0.001))) }); }, { passive: false });
box.addEventListener("keydown", (e) => {
  const step = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] }[e.key];
  if (step) { e.preventDefault(); change({ yaw_deg: look.yaw_deg + step[0], pitch_deg: look.pitch_deg + step[1] }); }
});
document.getElementById("spin").onclick = (e) => {
  spinning = !spinning; e.target.textContent = spinning ? "Stop" : "Turn slowly";
  let last = performance.now();
  const step = (now) => { if (!spinning) { e.target.textContent = "Turn slowly"; return; } change({ yaw_deg: look.yaw_deg + (now - last) * 0.03 }); last = now; requestAnimationFrame(step); };
  requestAnimationFrame(step);
};
new ResizeObserver(draw).observe(box);
begin();
