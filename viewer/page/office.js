// What a passport office looks at: lines over the picture while it moves, and its list once the picture stands.

const $ = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => { const one = Object.assign(document.createElement(tag), properties); one.append(...children); return one; };

// crown, eyes and chin of the head, and the band the eyes must lie in; 100 units are the picture's height
export function guides(svg, cam, frame) {
  const on = Boolean(frame?.rules && cam.lines);
  svg.toggleAttribute("hidden", !on);
  if (!on) return;
  const width = 100 * cam.aspect, [low, high] = frame.rules.eyes;
  const line = (y, kind) => `<line class="${kind}" x1="0" x2="${width}" y1="${100 * y}" y2="${100 * y}" />`;
  svg.setAttribute("viewBox", `0 0 ${width} 100`);
  svg.innerHTML = `<rect class="band" x="0" y="${100 * (1 - high)}" width="${width}" height="${100 * (high - low)}" />${line(cam.lines.crown, "head")}${line(cam.lines.eyes, "eyes")}${line(cam.lines.chin, "head")}`;
}

export function office(checks) {
  const failed = checks.filter((one) => !one.passed);
  const sum = failed.length ? `${checks.length - failed.length} of ${checks.length} rules kept` : `All ${checks.length} rules kept`;
  $("office-sum").className = failed.length ? "reason" : "good";
  if ($("office-sum").textContent !== sum) $("office-sum").textContent = sum;
  const item = (one) => {
    const mark = make("span", { className: "mark" }, one.passed ? "✓" : "✗");
    mark.setAttribute("aria-hidden", "true");
    const words = make("span", {}, make("span", { className: "hidden" }, one.passed ? "Kept: " : "Broken: "), make("strong", {}, one.name), make("span", { className: "found" }, one.passed ? one.found : `${one.found}; wanted ${one.wanted}`));
    if (one.advice) words.append(make("span", { className: "advice" }, plain(one.advice)));
    return make("li", { className: one.passed ? "kept" : "broken" }, mark, words);
  };
  $("checks").replaceChildren(...failed.map(item));
  $("checks-kept").replaceChildren(...checks.filter((one) => one.passed).map(item));
}

// the command line's advice in the page's words
function plain(advice) {
  return advice.replace("Render the view `front`.", "Choose the angle “front”.").replace(/Render with --expression neutral\./, "Choose the neutral expression.")
    .replace(/Use --backdrop white, or a light colour\./, "Choose a light backdrop.").replace(/ \(--backdrop '[^']*'\)/, "").replace(/ \(--light [^)]*\)/, "")
    .replace(/Use --light soft-front: /, "Choose the soft light: ").replace(/Use --light-exposure auto\./, "Choose another light.");
}
