/* Figures answer: marks (crosscorpus.book.marks) say their values on hover, focus and tap; PNG is drawn on demand. */

(() => {
  function answering(svg) {
    const marks = [...svg.querySelectorAll(".mark")];
    const said = document.createElement("output");
    said.className = "mark-said";
    said.hidden = true;
    const box = svg.parentElement;
    box.classList.add("has-marks");
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
    document.querySelectorAll("svg.marked").forEach(answering);
    document.querySelectorAll("figure button.png").forEach((button) => {
      button.addEventListener("click", () => savePng(button.closest("figure"), button));
    });
  });
})();
