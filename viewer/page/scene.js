// viser's client, in the frame, leaves two buttons without a name: whoever hears the page gets one for each.

const frame = document.getElementById("scene");
const named = (button) => button.textContent.trim() || ["aria-label", "aria-labelledby", "title"].some((key) => button.getAttribute(key));

function watch() {
  const page = frame.contentDocument; // of this site, as everything here
  if (!page?.body || page.URL === "about:blank") return;
  const name = () => {
    for (const button of page.querySelectorAll("button")) {
      if (!named(button)) button.setAttribute("aria-label", button.closest("[class*=Notification]") ? "Close the notice" : "Controls or settings of the scene");
    }
  };
  new MutationObserver(name).observe(page.body, { childList: true, subtree: true });
  name();
}

frame.addEventListener("load", watch);
if (frame.contentDocument?.readyState === "complete") watch();
