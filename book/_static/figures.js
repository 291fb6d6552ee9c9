/* Figures answer: marks (crosscorpus.book.marks) say their values on hover, focus and tap; PNG is drawn on demand. */

(() => {
  function answering(svg) {
    const marks = [...svg.querySelectorAll(".mark")];
    const box = svg.parentElement;
    box.classList.add("has-marks");
    const said = box.querySelector(".mark-said") ?? document.createElement("output"); // one for all panels
    said.className = "mark-said";
    said.hidden = true;
    box.append(said);

    function show(mark) {
      said.textContent = mark.getAttribute("aria-label");
      said.hidden = false;
      const [at, around] = [mark.getBoundingClientRect(), box.getBoundingClientRect()];
      const left = at.left + at.width / 2 - around.left - said.offsetWidth / 2 + box.scrollLeft;
      const most = box.scrollLeft + around.width - said.offsetWidth;
      said.style.left = `${Math.max(0, Math.min(left, most))}px`;
      const below = at.bottom - around.top + 6;
      said.style.top = `${below + said.offsetHeight > around.height ? at.top - around.top - said.offsetHeight - 6 : below}px`;
    }
    const hide = () => (said.hidden = true);

    // One stop of the Tab key for a figure; arrow keys go from mark to mark.
    marks.forEach((mark, place) => {
      mark.setAttribute("tabindex", place ? "-1" : "0");
      mark.addEventListener("pointerenter", () => show(mark));
      mark.addEventListener("pointerleave", hide);
      mark.addEventListener("focus", () => show(mark));
      mark.addEventListener("blur", hide);
      mark.addEventListener("click", () => show(mark));
    });
    svg.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hide();
      const place = marks.indexOf(document.activeElement);
      const to = { ArrowRight: place + 1, ArrowDown: place + 1, ArrowLeft: place - 1, ArrowUp: place - 1, Home: 0, End: marks.length - 1 }[event.key];
      if (to === undefined || place < 0 || !marks[to]) return;
      event.preventDefault();
      marks[place].setAttribute("tabindex", "-1");
      marks[to].setAttribute("tabindex", "0");
      marks[to].focus();
    });
  }

  // On a phone, panels stand below each other: copies of the drawing, each with a window on one panel. An axis that a
  // panel shares with its neighbour, who alone has its numbers, is copied to it. What colours mean comes first.
  function stack(svg) {
    const groups = [...svg.querySelectorAll("g[id*='-axes_']")].filter((axes) => axes.querySelector("path"));
    const places = groups.map((axes) => axes.querySelector("g[id*='-patch_']").getBBox());
    const columns = new Set(places.map((place) => Math.round(place.x)));
    if (columns.size < 2) return;
    const axis = (axes, number) => axes.querySelectorAll(":scope > g[id*='-matplotlib.axis_']")[number];
    const named = (axes, number) => axis(axes, number)?.querySelector("[id*='-text_']");
    const lend = (place, number, alike, far) => {
      if (!axis(groups[place], number) || named(groups[place], number)) return;
      const lender = groups.find((axes, other) => named(axes, number) && Math.abs(places[other][alike] - places[place][alike]) < 1);
      if (!lender) return;
      const by = places[place][far] - places[groups.indexOf(lender)][far];
      const copy = axis(lender, number).cloneNode(true);
      copy.setAttribute("transform", far === "x" ? `translate(${by} 0)` : `translate(0 ${by})`);
      groups[place].append(copy);
    };
    groups.forEach((_, place) => {
      lend(place, 1, "y", "x");
      lend(place, 0, "x", "y");
    });
    const legends = [...svg.querySelectorAll("g[id*='-figure_'] > g[id*='-legend_']")];
    const windows = [...legends, ...groups].map((group) => {
      const { x, y, width, height } = group.getBBox();
      const copy = svg.cloneNode(true);
      for (const other of copy.querySelectorAll("g[id*='-axes_'], g[id*='-legend_']")) if (other.id !== group.id && !other.closest(`[id="${group.id}"]`)) other.remove();
      copy.setAttribute("viewBox", `${x - 3} ${y - 3} ${width + 6} ${height + 6}`);
      copy.removeAttribute("height");
      copy.setAttribute("width", `${width + 6}pt`);
      return copy;
    });
    const box = document.createElement("div");
    box.className = "panels";
    box.append(...windows);
    svg.replaceWith(box);
  }

  // Twice the size on the page, on white, as a file.
  function savePng(figure, button) {
    const inline = figure.querySelector("svg.marked");
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = 2 * image.naturalWidth;
      canvas.height = 2 * image.naturalHeight;
      const pen = canvas.getContext("2d");
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      try {
        const link = document.createElement("a");
        link.href = canvas.toDataURL("image/png");
        link.download = `${figure.id}.png`;
        link.click();
      } catch {
        button.textContent = "PNG: not from a page on disk; take the SVG"; // browsers' rule for files
        button.disabled = true;
      }
    };
    if (inline) {
      const copy = inline.cloneNode(true);
      copy.removeAttribute("class");
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
    } else {
      image.src = figure.querySelector("img").src;
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (matchMedia("(max-width: 600px)").matches) document.querySelectorAll("svg.marked").forEach(stack);
    document.querySelectorAll("svg.marked").forEach(answering);
    document.querySelectorAll("figure button.png").forEach((button) => {
      button.addEventListener("click", () => savePng(button.closest("figure"), button));
    });
  });
})();
