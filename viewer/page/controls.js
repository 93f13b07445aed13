// The choices beside the picture, built from what the subject offers; they show the look and change it.

import { withLook } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const NUMBERS = ["yaw_deg", "pitch_deg", "roll_deg", "distance_m", "focal_mm"];

export class Controls {
  constructor(page, change, overlay) { this.page = page; this.change = change; this.overlay = overlay; this.timer = 0; }

  build(panel) {
    this.panel = panel;
    const rigs = panel.lights.filter((l) => !l.value.includes(":") && l.value !== "backdrop");
    this.radios($("lights"), rigs, (value) => this.change({ light: value }));
    $("light-more").replaceChildren(new Option("…", ""), ...panel.lights.filter((l) => !rigs.includes(l)).map((l) => new Option(l.label, l.value)));
    $("light-more").onchange = (e) => e.target.value && this.change({ light: e.target.value });
    this.radios($("crops"), panel.crops, (value) => this.change({ crop: value }));
    this.radios($("backdrops"), panel.backdrops.map((b) => ({ value: b.value, label: "", title: b.value.replace("-", " "), paint: `radial-gradient(${b.centre}, ${b.corner})` })), (value) => this.change({ backdrop: value }));
    $("backdrop-own").oninput = (e) => this.change({ backdrop: e.target.value }, { moving: true });
    $("garment").replaceChildren(...panel.garments.map((g) => new Option(g.label, g.value)));
    $("garment").onchange = (e) => this.change({ garment: e.target.value, ...(e.target.value === "own" ? { garment_color: "" } : {}) });
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
    $("overlay").onchange = (e) => this.overlay(e.target.checked);
    $("light_yaw_deg").oninput = (e) => this.change({ light_yaw_deg: Number(e.target.value) }, { moving: true });
    for (const name of NUMBERS) {
      $(name).onchange = (e) => {
        const text = e.target.value.trim(), [low, high] = panel.bounds[name];
        if (!text && name !== "focal_mm") { this.show(this.page.look); return; }
        this.change({ [name]: text ? Math.min(high, Math.max(low, Number(text))) : null });
      };
    }
    $("angles").replaceChildren(...panel.angles.map((angle) => {
      const button = document.createElement("button"), image = document.createElement("img");
      button.type = "button"; button.dataset.angle = angle.value; image.alt = ""; image.width = image.height = 96;
      button.append(image, document.createTextNode(angle.value.replaceAll("-", " ")));
      button.onclick = () => this.change({ yaw_deg: angle.yaw_deg, pitch_deg: angle.pitch_deg, roll_deg: 0 });
      return button;
    }));
  }

  // a group of buttons of which one is chosen: arrow keys move, as a radio group does
  radios(box, options, choose) {
    box.replaceChildren(...options.map((option) => {
      const button = document.createElement("button");
      button.type = "button"; button.setAttribute("role", "radio"); button.dataset.value = option.value;
      button.textContent = option.label;
      if (option.title) { button.title = option.title; button.setAttribute("aria-label", option.title); }
      if (option.paint) button.style.background = option.paint;
      button.onclick = () => choose(option.value);
      return button;
    }));
    box.onkeydown = (e) => {
      const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
      if (!move) return;
      e.preventDefault();
      const all = [...box.children], next = all[(all.indexOf(document.activeElement) + move + all.length) % all.length];
      next.focus(); next.click();
    };
  }

  mark(box, value) {
    const all = [...box.children], found = all.find((b) => b.dataset.value === value);
    for (const b of all) { b.setAttribute("aria-checked", String(b === found)); b.tabIndex = b === (found || all[0]) ? 0 : -1; }
  }

  show(look) {
    this.mark($("lights"), look.light);
    this.mark($("crops"), look.crop);
    this.mark($("backdrops"), look.backdrop || this.panel.backdrop);
    if (look.backdrop.startsWith("#")) $("backdrop-own").value = look.backdrop;
    $("light-more").value = [...$("light-more").options].some((o) => o.value === look.light) ? look.light : "";
    $("garment").value = look.garment;
    $("garment_color").value = [...$("garment_color").options].some((o) => o.value === look.garment_color) ? look.garment_color : "";
    $("garment_color").disabled = look.garment === "own";
    $("expression").value = look.expression;
    $("gaze").checked = look.gaze === "camera";
    $("light_yaw_deg").value = look.light_yaw_deg;
    document.querySelector("output[for=light_yaw_deg]").textContent = `${Math.round(look.light_yaw_deg)}°`;
    for (const input of document.querySelectorAll("#units input")) input.value = look.units[input.dataset.unit] || 0;
    for (const name of NUMBERS) $(name).value = look[name] === null ? "" : Math.round(look[name] * 100) / 100;
    const nearest = this.angleOf(look);
    for (const b of $("angles").children) b.setAttribute("aria-pressed", String(b.dataset.angle === nearest));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.thumbs(), 600);
  }

  // name of the angle a look has, or its yaw
  angleOf(look) {
    const found = this.panel.angles.find((a) => Math.abs(a.yaw_deg - look.yaw_deg) % 360 < 1 && Math.abs(a.pitch_deg - look.pitch_deg) < 1);
    return found ? found.value : `${Math.round(look.yaw_deg)}° ${Math.round(look.pitch_deg)}°`;
  }

  // the angles as they would look now; the frame stays square so that they line up
  thumbs() {
    const { light, light_yaw_deg, light_frame, light_exposure, backdrop, garment, garment_color, expression, units } = this.page.look;
    for (const b of $("angles").children) {
      const angle = this.panel.angles.find((a) => a.value === b.dataset.angle);
      const look = { yaw_deg: angle.yaw_deg, pitch_deg: angle.pitch_deg, light, light_yaw_deg, light_frame, light_exposure, backdrop, garment, garment_color, expression, units };
      const url = withLook("/api/thumb.jpg", look, "&size=96"), image = b.querySelector("img");
      if (image.dataset.url !== url) { image.dataset.url = url; image.src = url; }
    }
  }
}
