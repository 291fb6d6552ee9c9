// One switch for all code of a page, remembered; links into closed parts open them; the contents follow the scroll.
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
    const part = target.closest("section"); // a label's anchor is in the section that it names
    const inside = (part === target || !target.innerHTML) && part && part.querySelector(":scope > details.detail-part");
    if (inside) inside.open = true;
    while (closed) {
      closed.open = true;
      closed = closed.parentElement.closest("details:not([open])");
    }
    target.scrollIntoView();
  }

  // The theme's own way marks a part only while its top crosses the upper third of the window, and stays behind in
  // parts that are longer.
  function followScroll() {
    const links = new Map([...document.querySelectorAll(".bd-sidebar-secondary .toc-entry a[href^='#']")]
      .map((link) => [document.getElementById(decodeURIComponent(link.hash.slice(1))), link])
      .filter(([part]) => part));
    if (!links.size) return;
    const LINE = 150; // pixels below the top of the window: what has passed it is being read
    let waiting = 0;
    const mark = () => {
      waiting = 0;
      const passed = [...links.keys()].filter((part) => part.getBoundingClientRect().top < LINE);
      const atEnd = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2;
      const here = atEnd ? [...links.keys()].pop() : passed.pop();
      links.forEach((link, part) => {
        const current = part === here;
        link.classList.toggle("active", current);
        current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
        if (current) keepInSight(link);
      });
    };
    const later = () => { waiting = waiting || setTimeout(mark, 60); }; // after the theme has marked its own
    window.addEventListener("scroll", later, { passive: true });
    mark();
  }

  function keepInSight(link) {
    const box = link.closest(".bd-sidebar-secondary");
    const [own, around] = [link.getBoundingClientRect(), box.getBoundingClientRect()];
    if (own.top < around.top || own.bottom > around.bottom) box.scrollTop += own.top - around.top - around.height / 2;
  }

  // The theme leaves the site's name in its left column outside all landmarks.
  function nameLandmark() {
    const column = document.getElementById("pst-primary-sidebar");
    if (!column) return;
    column.setAttribute("role", "navigation");
    column.setAttribute("aria-label", "This book");
  }

  document.addEventListener("DOMContentLoaded", () => {
    nameLandmark();
    followScroll();
    document.querySelectorAll("button.code-switch").forEach(codeSwitch);
    openTarget();
  });
  window.addEventListener("hashchange", openTarget);
})();
