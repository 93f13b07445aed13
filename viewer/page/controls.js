// The choices beside the picture, built from what the subject offers; they show the look and change it.

import { HEAD } from "/static/camera.js";
import { mark, radios } from "/static/choices.js";
import { ask, get, send, showThumb, withLook } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const GAZE = ["gaze_yaw_deg", "gaze_pitch_deg"];
const NUMBERS = ["yaw_deg", "pitch_deg", "roll_deg", "distance_m", "focal_mm"];

export class Controls {
  constructor(page, change, overlay, status) { this.page = page; this.change = change; this.overlay = overlay; this.status = status; this.timer = 0; this.own = []; this.maps = []; }

  build(panel) {
    this.panel = panel;
    this.rigs = panel.lights.filter((l) => !l.value.includes(":") && l.value !== "backdrop");
    radios($("lights"), this.rigs, (value) => this.change({ light: value }));
    this.lights();
    this.lightMaps().catch(() => {});
    $("light-more").onchange = (e) => e.target.value && this.change({ light: e.target.value });
    $("light-file").onchange = (e) => { const [file] = e.target.files; e.target.value = ""; if (file) this.addLight(file); };
    $("light-drop").onclick = () => this.forgetLight(this.page.look.light);
    // an office wants its own backdrop; it goes along with the frame
    radios($("crops"), panel.crops, (value) => { const wish = panel.frames[value]?.backdrop; this.change({ crop: value, ...(wish ? { backdrop: wish } : {}) }); });
    this.swatches();
    this.backdrops().catch(() => {});
    $("backdrop-file").onchange = (e) => { const [file] = e.target.files; e.target.value = ""; if (file) this.upload(file); };
    $("backdrop-drop").onclick = () => this.forget(this.page.look.backdrop);
    $("backdrop-own").oninput = (e) => this.change({ backdrop: e.target.value }, { moving: true });
    $("garment").replaceChildren(...panel.garments.map((g) => new Option(g.label, g.value)));
    $("garment").onchange = (e) => this.change({ garment: e.target.value, garment_color: "" });
    $("garment_color").replaceChildren(new Option("Usual", ""), ...panel.colors.map((c) => new Option(c.value.replaceAll("-", " "), c.value)));
    $("garment_color").onchange = (e) => this.change({ garment_color: e.target.value });
    $("expression").replaceChildren(...panel.expressions.map((l) => new Option(l.label, l.value)));
    $("expression").onchange = (e) => this.change({ expression: e.target.value });
    $("units").replaceChildren(...panel.units.map((unit) => {
      const label = document.createElement("label"), input = document.createElement("input"), name = document.createElement("span");
      label.className = "slide"; name.textContent = unit.label;
      Object.assign(input, { type: "range", min: 0, max: 1, step: 0.05, value: 0 });
      input.dataset.unit = unit.value;
      input.onchange = () => {
        const units = { ...this.page.look.units, [unit.value]: Number(input.value) };
        if (!units[unit.value]) delete units[unit.value];
        this.change({ units });
      };
      label.append(name, input);
      return label;
    }));
    $("gaze").onchange = (e) => this.change({ gaze: e.target.checked ? "camera" : "own" });
    for (const name of GAZE) {
      [$(name).min, $(name).max] = panel.bounds[name];
      $(name).onchange = (e) => this.change({ [name]: Number(e.target.value) });
    }
    $("overlay").onchange = (e) => { $("overlay-key").hidden = !e.target.checked; this.overlay(e.target.checked); };
    $("light_yaw_deg").oninput = (e) => this.change({ light_yaw_deg: Number(e.target.value) }, { moving: true });
    for (const name of NUMBERS) {
      $(name).onchange = (e) => {
        const text = e.target.value.trim(), [low, high] = panel.bounds[name];
        if (!text && name !== "focal_mm") { this.show(this.page.look); return; }
        this.change({ [name]: text ? Math.min(high, Math.max(low, Number(text))) : null });
      };
    }
    // at equal framing: the camera moves, the head keeps its size
    $("lens_mm").onchange = (e) => {
      const [low, high] = [Number(e.target.min), Number(e.target.max)], mm = Number(e.target.value);
      if (!mm) { this.show(this.page.look); return; }
      if (this.page.look.seen_from) this.change({ roll_deg: 0 }); // leaves the photo's camera
      this.change({ distance_m: (Math.min(high, Math.max(low, mm)) / HEAD.format) * (HEAD.height / HEAD.share), focal_mm: null });
    };
    $("angles").replaceChildren(...panel.angles.map((angle) => {
      const button = document.createElement("button"), image = document.createElement("img");
      button.type = "button"; button.dataset.angle = angle.value; image.alt = ""; image.width = image.height = 96;
      button.append(image, document.createTextNode(angle.value.replaceAll("-", " ")));
      button.onclick = () => this.change({ yaw_deg: angle.yaw_deg, pitch_deg: angle.pitch_deg, roll_deg: 0 });
      return button;
    }));
  }

  lights() {
    const others = this.panel.lights.filter((l) => !this.rigs.includes(l)), own = this.maps.map((value, i) => ({ value, label: `Your map ${i + 1}` }));
    $("light-more").replaceChildren(new Option("…", ""), ...[...own, ...others].map((l) => new Option(l.label, l.value)));
  }

  // what a light is called on this page
  lightWord(value) { return value.startsWith("own:") ? "a map of your own" : value.replace("photo:", ""); }

  async lightMaps() { this.maps = await get("/api/lights"); this.lights(); if (this.page.look) this.show(this.page.look); }

  async addLight(file) {
    this.status("Sending the map…");
    try {
      const { name } = await (await ask("/api/lights", { method: "POST", body: file })).json();
      await this.lightMaps();
      this.change({ light: name });
      this.status("The map lights the head. Turn it with the slider below.");
    } catch (e) { this.status(e.message, true); }
  }

  async forgetLight(name) {
    try { await send("DELETE", `/api/lights/${name}`, {}); this.change({ light: this.panel.look.light }); await this.lightMaps(); $("light-file").focus(); } catch (e) { this.status(e.message, true); }
  }

  swatches() {
    const painted = this.panel.backdrops.map((b) => ({ value: b.value, label: "", title: b.value.replace("-", " "), paint: `radial-gradient(${b.centre}, ${b.corner})` }));
    const own = this.own.map((name, i) => ({ value: name, label: "", title: `Your picture ${i + 1}`, paint: `center / cover url("${withLook("/api/backdrop.jpg", { backdrop: name }, "&width=96&height=96")}")` }));
    radios($("backdrops"), [...painted, ...own], (value) => this.change({ backdrop: value }));
  }

  async backdrops() { this.own = await get("/api/backdrops"); this.swatches(); if (this.page.look) this.show(this.page.look); }

  async upload(file) {
    this.status("Sending the picture…");
    try {
      const { name } = await (await ask("/api/backdrop", { method: "POST", body: file })).json();
      await this.backdrops();
      this.change({ backdrop: name });
      this.status("The picture stands behind the person.");
    } catch (e) { this.status(e.message, true); }
  }

  async forget(name) {
    try { await send("DELETE", `/api/backdrop/${name}`, {}); this.change({ backdrop: "" }); await this.backdrops(); $("backdrop-file").focus(); } catch (e) { this.status(e.message, true); }
  }

  show(look) {
    mark($("lights"), look.light);
    $("light-drop").hidden = !look.light.startsWith("own:");
    mark($("crops"), look.crop);
    mark($("backdrops"), look.backdrop || this.panel.backdrop);
    if (look.backdrop.startsWith("#")) $("backdrop-own").value = look.backdrop;
    $("backdrop-drop").hidden = !look.backdrop.startsWith("own:");
    const frame = this.panel.frames[look.crop];
    $("frame-title").textContent = frame ? `${frame.title.charAt(0).toUpperCase()}${frame.title.slice(1)}. ${frame.size_px[0]} × ${frame.size_px[1]} px.` : "As the lens sees it, square.";
    $("office").hidden = !frame?.rules;
    $("light-more").value = [...$("light-more").options].some((o) => o.value === look.light) ? look.light : "";
    $("garment").value = look.garment;
    $("garment_color").value = [...$("garment_color").options].some((o) => o.value === look.garment_color) ? look.garment_color : "";
    $("expression").value = look.expression;
    $("gaze").checked = look.gaze === "camera";
    for (const name of ["light_yaw_deg", ...GAZE]) {
      $(name).value = look[name];
      document.querySelector(`output[for=${name}]`).textContent = `${Math.round(look[name])}°`;
    }
    for (const input of document.querySelectorAll("#units input")) input.value = look.units[input.dataset.unit] || 0;
    for (const name of NUMBERS) $(name).value = look[name] === null ? "" : Math.round(look[name] * 100) / 100;
    $("lens_mm").value = look.focal_mm || look.seen_from ? "" : Math.round((look.distance_m * HEAD.format * HEAD.share) / HEAD.height);
    const nearest = this.angleOf(look);
    for (const b of $("angles").children) b.setAttribute("aria-pressed", String(!look.seen_from && b.dataset.angle === nearest));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.thumbs(), 600);
  }

  // name of the angle a look has, or its yaw
  angleOf(look) {
    if (look.seen_from) return look.seen_from.replace("photo:", "as ");
    const found = this.panel.angles.find((a) => Math.abs(a.yaw_deg - look.yaw_deg) % 360 < 1 && Math.abs(a.pitch_deg - look.pitch_deg) < 1);
    return found ? found.value : `${Math.round(look.yaw_deg)}° ${Math.round(look.pitch_deg)}°`;
  }

  // the angles as they would look now; the frame stays square so that they line up
  thumbs() {
    const { light, light_yaw_deg, light_frame, light_exposure, backdrop, garment, garment_color, expression, units } = this.page.look;
    for (const b of $("angles").children) {
      const angle = this.panel.angles.find((a) => a.value === b.dataset.angle);
      const look = { yaw_deg: angle.yaw_deg, pitch_deg: angle.pitch_deg, light, light_yaw_deg, light_frame, light_exposure, backdrop, garment, garment_color, expression, units };
      showThumb(b.querySelector("img"), look, 96);
    }
  }
}
