// The set from above, as a photographer draws it: the head, the camera, the photos' cameras, and a light to drag.

const SPACE = "http://www.w3.org/2000/svg";
const RADII = { light: 0.68, photo: 0.46, camera: 0.98 };
const rad = (d) => (d * Math.PI) / 180;

function node(name, attributes = {}, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
// the face looks down the picture, to where the camera of a front view stands; the person's left is on the right
const place = (angle, radius) => [radius * Math.sin(angle), radius * Math.cos(angle)];

export class Above {
  constructor(svg, page, change) { this.svg = svg; this.page = page; this.change = change; }

  build(panel) {
    const title = (text) => { const made = node("title"); made.textContent = text; return made; };
    const photos = panel.photos.map((photo) => {
      const angle = rad(-photo.yaw_deg), [x, y] = place(angle, RADII.photo);
      const made = node("g", { class: "photo", transform: `translate(${x} ${y}) rotate(${(-angle * 180) / Math.PI})`, "data-photo": photo.value }, node("path", { d: "M0 -.11 L.075 .05 L-.075 .05 Z" }), title(`Stand where ${photo.value} was taken`));
      made.onclick = () => this.change({ seen_from: `photo:${photo.value}` });
      return made;
    });
    this.camera = node("g", { class: "camera" }, node("path", { d: "M0 -.98 L.36 0 L-.36 0 Z", class: "cone" }), node("rect", { x: -.075, y: -.05, width: .15, height: .1, rx: .02 }));
    this.light = node("g", { class: "light" }, node("circle", { r: .16, class: "reach" }), node("circle", { r: .085 }), title("The light: drag it round the head"));
    this.svg.replaceChildren(
      node("circle", { r: RADII.light, class: "ring" }), this.camera,
      node("g", { class: "head" }, node("ellipse", { rx: .17, ry: .21 }), node("path", { d: "M-.05 .19 L0 .28 L.05 .19 Z" })),
      ...photos, this.light);
    let held = false;
    this.light.addEventListener("pointerdown", (e) => { held = true; this.light.setPointerCapture(e.pointerId); e.preventDefault(); });
    this.light.addEventListener("pointermove", (e) => {
      if (!held) return;
      const box = this.svg.getBoundingClientRect(), x = e.clientX - box.left - box.width / 2, y = e.clientY - box.top - box.height / 2;
      const turn = (Math.atan2(x, y) * 180) / Math.PI;
      this.change({ light_yaw_deg: Math.round(turn - this.rest()) }, { moving: true });
    });
    for (const name of ["pointerup", "pointercancel"]) this.light.addEventListener(name, () => { held = false; });
  }

  // where a light stands that nobody turned: rigs keep to the camera
  rest() { const { light } = this.page.look; return light.includes(":") || light === "backdrop" ? 0 : this.stands; }

  show(look) {
    const photo = look.seen_from && this.page.panel.photos.find((one) => `photo:${one.value}` === look.seen_from);
    const camera = -(photo ? photo.yaw_deg : look.yaw_deg);
    this.stands = camera;
    const light = this.rest() + look.light_yaw_deg;
    const [x, y] = place(rad(camera), RADII.camera), [u, v] = place(rad(light), RADII.light);
    this.camera.setAttribute("transform", `translate(${x} ${y}) rotate(${-camera})`);
    this.light.setAttribute("transform", `translate(${u} ${v})`);
    for (const one of this.svg.querySelectorAll(".photo")) one.classList.toggle("chosen", `photo:${one.dataset.photo}` === look.seen_from);
  }
}
