"""What moves on the report's page: filters over the pictures, and sliders between a photo and the head.

Everything can be read without it: all pictures are shown, and both of a pair stand side by side.
"""

import base64
import hashlib

SCRIPT = """
(() => {
  document.documentElement.classList.add("live");
  for (const range of document.querySelectorAll(".compare input")) {
    const pair = range.closest(".compare").querySelector(".pair");
    const show = () => {
      pair.style.setProperty("--cut", range.value + "%");
      range.setAttribute("aria-valuetext", range.value + "% photo");
    };
    range.addEventListener("input", show);
    show();
  }
  const form = document.querySelector(".filters");
  if (!form) return;
  const wanted = (name) => new Set([...form.querySelectorAll(`[name=${name}]:checked`)].map((box) => box.value));
  const filter = () => {
    const states = wanted("state"), kinds = wanted("kind");
    for (const one of document.querySelectorAll("figure[data-state]")) {
      const { state, kind } = one.dataset;
      one.hidden = !states.has(state) || (kind !== undefined && !kinds.has(kind));
    }
    const all = document.querySelectorAll("#headshots figure[data-state]");
    const shown = [...all].filter((one) => !one.hidden).length;
    form.querySelector("output").textContent = `${shown} of ${all.length} pictures`;
  };
  form.addEventListener("change", filter);
  filter();
})();
"""

_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
SECURITY = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'"
"""The page's policy: this script and no other runs, and nothing is asked of anybody."""
