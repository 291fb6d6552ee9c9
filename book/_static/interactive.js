/* Draws the views of lib/crosscorpus/book/interactive.py from the data inside them, in place of their static version. */

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const DARK = [8, 81, 156];

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function drawn(tag, attributes) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  // A shade for 0 to 1 from white to a dark colour, and black or white on it, whichever can be read.
  function paint(cell, share, dark = DARK) {
    const rgb = dark.map((end) => Math.round(255 + (end - 255) * Math.min(1, Math.max(0, share))));
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    cell.style.backgroundColor = `rgb(${rgb})`;
    cell.style.color = 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000" : "#fff";
  }

  Object.assign((window.crosscorpus ??= {}), { element, paint }); // for explorer.js

  function selectors(choices, changed) {
    const form = element("form", { className: "choices" });
    const selects = Object.entries(choices).map(([name, values]) => {
      const select = element("select", { name, disabled: values.length < 2 });
      values.forEach((value, place) => select.append(element("option", { value: place, textContent: value })));
      select.addEventListener("change", changed);
      form.append(element("label", {}, `${name} `, select));
      return select;
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    return { form, chosen: () => selects.map((select) => Number(select.value)) };
  }

  // What a cell shows, how dark it is, and what is said of it: [text, share, note].
  const CELLS = {
    grid: (cell, row, column) => {
      if (cell === null) return ["–", 0, `${row} → ${column}: not run`];
      const [value, spread, n, emotions] = cell;
      const sd = spread === null ? "" : ` ± ${spread.toFixed(1)} over folds`;
      const said = `trained on ${row}, tested on ${column}: ${value.toFixed(1)}${sd}; ${n} test utterances`;
      // Scores of other emotions are not compared, by colour neither.
      if (emotions !== undefined) return [`${value.toFixed(1)} (${emotions})`, 0, `${said} of ${emotions} emotions, not to be compared with the others`];
      return [value.toFixed(1), value / 100, said];
    },
    predictions: (count, row, column, whole) => {
      const share = whole ? count / whole : 0;
      return [String(count), share, `${row} taken for ${column}: ${count} of ${whole} (${(100 * share).toFixed(1)} %)`];
    },
  };

  function matrix(data, kind, chosen, note) {
    const table = element("table", { className: "matrix" });
    const head = table.createTHead().insertRow();
    head.append(element("td", { textContent: data.corner, className: "corner" }));
    for (const name of data.columns) head.append(element("th", { scope: "col", textContent: name }));
    const cells = data.matrices[chosen.join(",")];
    const body = table.createTBody();
    // Rows may depend on the first two choices: speakers and texts are those of a corpus.
    (data.rows_of?.[chosen.slice(0, 2).join(",")] ?? data.rows).forEach((row, i) => {
      const line = body.insertRow();
      line.append(element("th", { scope: "row", textContent: row }));
      data.columns.forEach((column, j) => {
        const whole = kind === "predictions" && cells ? cells[i].reduce((a, b) => a + b, 0) : 0;
        const [text, share, said] = cells ? CELLS[kind](cells[i][j], row, column, whole) : ["–", 0, "not run"];
        const cell = line.insertCell();
        Object.assign(cell, { textContent: text, tabIndex: 0, title: said });
        paint(cell, share);
        const say = () => (note.textContent = said);
        cell.addEventListener("mouseenter", say);
        cell.addEventListener("focus", say);
      });
    });
    return element("div", { className: "matrix-box" }, table);
  }

  // Shapes as well as colours tell groups apart: paths around the origin, about 10 wide.
  const SHAPES = [
    "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0", "M-5-5h10v10h-10z", "M0-7l6 11h-12z", "M0-7l6 7l-6 7l-6-7z", "M0 7l6-11h-12z",
    "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z", "M-5-5l10 10M5-5l-10 10", "M0-7l2 5h5l-4 3l2 6l-5-4l-5 4l2-6l-4-3h5z", "M-7 0l11-6v12z",
  ];

  function plane(data, chosen, note) {
    const title = data.choices.panel[chosen[0]];
    const by = data.choices.colour[chosen[1]];
    const panel = data.panels[title];
    const groups = Object.keys(data.colours[by]).filter((group) => panel[by].includes(group));
    const picture = drawn("svg", { viewBox: "-20 -20 1040 1040", role: panel.audio ? "group" : "img" });
    picture.setAttribute("aria-label", `${title}: ${panel.x.length} points, coloured by ${by}`);
    const player = panel.audio && element("audio", { controls: true });
    const mark = (group, x, y, size) => drawn("path", {
      d: SHAPES[groups.indexOf(group) % SHAPES.length], fill: data.colours[by][group], stroke: data.colours[by][group],
      transform: `translate(${x} ${y}) scale(${size})`,
    });
    panel.x.forEach((x, i) => {
      const point = mark(panel[by][i], x, 1000 - panel.y[i], 1.2);
      const speaker = panel.speaker[i] && `, speaker ${panel.speaker[i]}`;
      const text = panel.text[i] && `, text ${panel.text[i]}`;
      const said = `${panel.corpus[i]} ${panel.name[i]}: ${panel.emotion[i]}${speaker}${text}`;
      point.append(Object.assign(document.createElementNS(SVG, "title"), { textContent: said }));
      point.addEventListener("mouseenter", () => (note.textContent = said));
      if (player) {
        // With recordings at hand each point is a button: a click, or Enter, plays it; arrow keys go on.
        for (const [name, value] of Object.entries({ tabindex: i ? -1 : 0, role: "button", "aria-label": `play ${said}` })) point.setAttribute(name, value);
        const play = () => {
          note.textContent = panel.audio[i] ? said : `${said}: its audio is not on this machine`;
          player.src = panel.audio[i];
          if (panel.audio[i]) player.play().catch(() => (note.textContent = `${said}: this browser cannot play it`));
        };
        point.addEventListener("click", play);
        point.addEventListener("focus", () => (note.textContent = said));
        point.addEventListener("keydown", (event) => {
          const to = { ArrowRight: point.nextElementSibling, ArrowLeft: point.previousElementSibling }[event.key];
          if (event.key === "Enter" || event.key === " ") play();
          else if (!to) return;
          else to.focus();
          event.preventDefault();
        });
      }
      picture.append(point);
    });
    const legend = element("ul", { className: "legend" });
    for (const group of groups) {
      const sign = drawn("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" });
      sign.append(mark(group, 0, 0, 1));
      legend.append(element("li", {}, sign, `${group || "not named"} (${panel[by].filter((value) => value === group).length})`));
    }
    return element("div", { className: "plane" }, picture, ...(player ? [player] : []), legend);
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const view of document.querySelectorAll("div.interactive")) {
      const data = JSON.parse(view.querySelector("script").textContent);
      const kind = view.dataset.view;
      const note = element("output", { className: "note" });
      const stage = element("div", { className: "stage" });
      const draw = () => {
        note.textContent = kind === "points" ? "Point at a mark, or tap it, to see which utterance it is." : "Point at a cell, or tap it, to see its counts.";
        const chosen = choice.chosen();
        stage.replaceChildren(kind === "points" ? plane(data, chosen, note) : matrix(data, kind, chosen, note));
      };
      const choice = selectors(data.choices, draw);
      view.replaceChildren(choice.form, stage, note);
      draw();
    }
  });
})();
