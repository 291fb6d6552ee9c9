/* The view of lib/crosscorpus/book/explorer.py: all scores, to filter and to see in four ways (explorer_views.js).
   What is chosen stands in the address, after #, so that a view can be linked. */

(() => {
  const { element } = window.crosscorpus; // of interactive.js
  const VIEWS = {
    table: "all rows",
    means: "means and ranks",
    two: "two models side by side",
    map: "heat map",
  };
  const HINT =
    "Point at a value, reach it with the Tab key, or tap it, to see its interval, folds and number of utterances.";

  function selectOf(name, label, values, now, changed) {
    const select = element("select", { name });
    for (const [value, textContent] of Object.entries(values)) {
      select.append(element("option", { value, textContent, selected: value === now }));
    }
    select.addEventListener("change", () => changed(select.value));
    return element("label", {}, `${label} `, select);
  }

  // A box that opens, with a value of a facet on each line. `changed` gets the value, and whether it is chosen.
  function facetBox(name, values, changed) {
    const now = element("span");
    const list = element("fieldset", {}, element("legend", { textContent: name }));
    const lines = values.map((value) => {
      const input = element("input", { type: "checkbox", value });
      const many = element("span", { className: "many" });
      input.addEventListener("change", () => changed(value, input.checked));
      list.append(element("label", {}, input, ` ${value} `, many));
      return [input, many];
    });
    const details = element("details", { className: "facet" }, element("summary", {}, `${name}: `, now), list);
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      details.open = false;
      details.firstChild.focus();
    });
    details.addEventListener("toggle", () => {
      if (!details.open) return;
      for (const other of document.querySelectorAll("details.facet[open]")) other.open = other === details;
    });
    function show(chosen, counts) {
      now.textContent = chosen.size > 1 ? `${chosen.size} values` : ([...chosen][0] ?? "all");
      details.classList.toggle("chosen", chosen.size > 0);
      lines.forEach(([input, many], place) => {
        input.checked = chosen.has(values[place]);
        many.textContent = `(${counts[place]})`;
        input.parentElement.classList.toggle("none", counts[place] === 0);
      });
    }
    return { details, show };
  }

  function explore(box) {
    const data = JSON.parse(box.querySelector("script").textContent);
    const scores = window.crosscorpus.scores(data);
    const { facets } = scores;

    // -- what is chosen, and the address that says so ------------------------------------------------------------

    const first = data.texts.score.values[0];
    const fresh = () => ({ view: "table", score: first, a: "", b: "", map: "train-test", of: "score", sort: "" });
    let state = fresh();
    let chosen = {}; // facet -> its values that are kept; all where there are none
    let unknown = [];
    let begun = false; // the address that a page was opened with stays until something is chosen

    function toAddress() {
      const said = new URLSearchParams();
      const both = state.view === "two" ? [] : ["a", "b"];
      for (const [name, value] of Object.entries(fresh())) {
        if (state[name] !== value && !both.includes(name)) said.append(name, state[name]);
      }
      for (const facet of facets) for (const value of chosen[facet] ?? []) said.append(facet, value);
      link.href = `#${said}`;
      if (begun && location.hash.slice(1) !== String(said)) history.replaceState(null, "", `#${said}`);
    }

    function fromAddress() {
      [state, chosen, unknown] = [fresh(), {}, []];
      if (!location.hash.includes("=")) return; // a place in the page
      const models = data.texts.model.values;
      const known = { view: Object.keys(VIEWS), score: data.texts.score.values, a: models, b: models };
      Object.assign(known, { map: Object.keys(views.MAPS), of: Object.keys(views.VALUES) });
      for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
        if (facets.includes(name) && data.texts[name].values.includes(value)) {
          (chosen[name] ??= new Set()).add(value);
        } else if (known[name]?.includes(value)) state[name] = value;
        else if (name === "sort" && /^\d+:(asc|desc)$/.test(value)) state.sort = value;
        else unknown.push(`${data.facets[name] ?? name}: ${value}`);
      }
    }

    // -- the parts of the page -----------------------------------------------------------------------------------

    const note = element("output", { className: "note" });
    const count = element("output", { className: "count" });
    const stage = element("div", { className: "stage" });
    const more = element("div", { className: "choices" });
    const link = element("a", { textContent: "Link to this view", href: "#" });

    function tells(cell, words) {
      cell.tabIndex = 0;
      for (const event of ["mouseenter", "focus"]) {
        cell.addEventListener(event, () => (note.textContent = words));
      }
    }

    const boxes = facets.map((facet) =>
      facetBox(data.facets[facet], data.texts[facet].values, (value, isChosen) => {
        const values = (chosen[facet] ??= new Set());
        isChosen ? values.add(value) : values.delete(value);
        changed();
      }),
    );
    const views = window.crosscorpus.views(data, scores, {
      state: () => state,
      stage,
      more,
      tells,
      note: (words) => (note.textContent = words),
      selectOf,
      changed: () => changed(),
      toAddress,
    });

    let drawn = null; // the view that stands

    function changed() {
      const { kept, counts } = scores.filter(state.score, chosen);
      boxes.forEach((one, place) => one.show(chosen[facets[place]] ?? new Set(), counts[place]));
      const said = scores.summary(kept);
      if (unknown.length) said.push(`not in this table: ${unknown.join(", ")}`);
      count.textContent = `${said.join("; ")}.`;
      note.textContent = HINT;
      const focus = more.contains(document.activeElement) ? document.activeElement.name : "";
      if (drawn?.view === state.view && drawn.again) drawn.again();
      else {
        more.replaceChildren();
        drawn = { view: state.view, ...views.draw[state.view](kept) };
        window.crosscorpus.arrange(stage); // not after each filter, which must answer at once
      }
      if (focus) more.querySelector(`[name="${focus}"]`)?.focus();
      toAddress();
    }

    function download() {
      const rows = drawn.offered().map((row) => (data.stamp ? { ...row, stamp: data.stamp } : row));
      const columns = Object.keys(rows[0] ?? {});
      const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
      const line = (row) => columns.map((column) => quoted(String(row[column] ?? ""))).join();
      const text = [columns.join(), ...rows.map(line), ""].join("\n");
      const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      element("a", { href: address, download: `scores-${state.view}.csv` }).click();
      URL.revokeObjectURL(address);
    }

    const shows = element("fieldset", { className: "views" }, element("legend", { textContent: "show" }));
    for (const [view, label] of Object.entries(VIEWS)) {
      const input = element("input", { type: "radio", name: "view", value: view });
      input.addEventListener("change", () => {
        state.view = view;
        changed();
      });
      shows.append(element("label", {}, input, ` ${label}`));
    }
    const names = Object.fromEntries(data.texts.score.values.map((name) => [name, data.scores[name]]));
    const score = selectOf("score", "score", names, state.score, (value) => {
      state.score = value;
      changed();
    });
    const clear = element("button", { type: "button", textContent: "Clear filters" });
    clear.addEventListener("click", () => {
      [chosen, unknown] = [{}, []];
      changed();
    });
    const save = element("button", { type: "button", textContent: "Download this view (CSV)" });
    save.addEventListener("click", download);
    const filters = element("div", { className: "choices" }, score, ...boxes.map((one) => one.details), clear);
    const form = element("form", {}, shows, filters);
    form.addEventListener("submit", (event) => event.preventDefault());

    function begin() {
      fromAddress();
      for (const input of form.querySelectorAll("[name=view]")) input.checked = input.value === state.view;
      score.querySelector("select").value = state.score;
      [drawn, begun] = [null, false];
      changed();
      begun = true;
    }

    box.replaceChildren(form, element("p", { className: "status" }, count, save, link), more, stage, note);
    begin();
    window.addEventListener("hashchange", () => {
      if (location.hash.slice(1) !== link.hash.slice(1)) begin();
    });
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("div.explorer").forEach(explore));
})();
