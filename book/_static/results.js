// Pages of results: one switch for all code, remembered; links into closed parts open them.
(() => {
  const KEY = "crosscorpus-code";
  const remembered = () => { try { return localStorage.getItem(KEY) === "shown"; } catch { return false; } };
  const remember = (shown) => { try { localStorage.setItem(KEY, shown ? "shown" : "folded"); } catch { /* not kept */ } };

  function codeSwitch(button) {
    const boxes = document.querySelectorAll(".bd-article div.cell.tag_hide-input > details.above-input, " +
      ".bd-article div.cell.tag_hide-input > details.hide:has(> .cell_input)");
    const show = (shown) => {
      boxes.forEach((box) => { box.open = shown; });
      button.setAttribute("aria-pressed", String(shown));
      button.textContent = shown ? "Fold code" : "Show code";
    };
    button.hidden = boxes.length === 0;
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      remember(shown);
      show(shown);
    });
    show(remembered());
  }

  function openTarget() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    let closed = target.closest("details:not([open])");
    const inside = target.querySelector(":scope > details.detail-part");
    if (inside) inside.open = true;
    while (closed) {
      closed.open = true;
      closed = closed.parentElement.closest("details:not([open])");
    }
    target.scrollIntoView();
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("button.code-switch").forEach(codeSwitch);
    openTarget();
  });
  window.addEventListener("hashchange", openTarget);
})();
