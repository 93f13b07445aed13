// The photos the head was made of: stand where a camera stood, and fade from the head to the photo.

import { withLook } from "/static/server.js";

const $ = (id) => document.getElementById(id);

export class Compare {
  constructor(page, change) { this.page = page; this.change = change; this.url = ""; }

  build(panel) {
    this.panel = panel;
    $("photos").replaceChildren(...panel.photos.map((photo) => {
      const button = document.createElement("button"), image = document.createElement("img");
      button.type = "button"; button.dataset.photo = photo.value; button.title = photo.value;
      Object.assign(image, { alt: "", width: 96, height: 96, loading: "lazy", src: withLook("/api/photo.jpg", { seen_from: `photo:${photo.value}` }, "&height=96") });
      const caption = Object.assign(document.createElement("span"), { className: "caption", textContent: photo.value.replace(/\.[a-z]+$/i, "").replaceAll("_", " ") });
      button.append(image, caption);
      button.onclick = () => this.stand(photo.value);
      return button;
    }));
    $("fade").oninput = () => this.fade();
    $("leave").onclick = () => { const { yaw_deg, pitch_deg, distance_m } = this.photo(this.page.look); this.change({ seen_from: "", yaw_deg, pitch_deg, distance_m, roll_deg: 0 }); $("stage").focus({ preventScroll: true }); };
    $("as-photo").onclick = () => this.change({ light: this.page.look.seen_from, expression: this.page.look.seen_from, light_yaw_deg: 0 });
  }

  photo(look) { return this.panel.photos.find((one) => `photo:${one.value}` === look.seen_from); }

  stand(name) { this.change({ seen_from: `photo:${name}` }); $("fade").focus({ preventScroll: true }); $("stage").scrollIntoView({ block: "nearest" }); }

  fade() { $("photo").style.opacity = $("fade").value; }

  show(look) {
    const on = Boolean(look.seen_from);
    $("compare").hidden = !on; $("photo").hidden = !on;
    for (const b of $("photos").children) b.setAttribute("aria-pressed", String(`photo:${b.dataset.photo}` === look.seen_from));
    if (!on) { this.url = ""; return; }
    const url = withLook("/api/photo.jpg", { seen_from: look.seen_from, crop: look.crop }, "&height=1024");
    if (url !== this.url) { this.url = url; $("photo").src = url; }
    $("photo").alt = `The photo ${look.seen_from.replace("photo:", "")}`;
    this.fade();
  }
}
