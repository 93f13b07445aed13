// A group of buttons of which one is chosen: arrow keys move, as a radio group does.

export function radios(box, options, choose) {
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
    e.preventDefault(); e.stopPropagation();
    const all = [...box.children], next = all[(all.indexOf(document.activeElement) + move + all.length) % all.length];
    next.focus(); next.click();
  };
}

export function mark(box, value) {
  const all = [...box.children], found = all.find((b) => b.dataset.value === value);
  for (const b of all) { b.setAttribute("aria-checked", String(b === found)); b.tabIndex = b === (found || all[0]) ? 0 : -1; }
}
