/* The view of lib/crosscorpus/book/explorer.py: a table to filter, means and ranks, two models side by side, a heat map.
   What is chosen stands in the address, after #, so that a view can be linked. */

(() => {
  const { element, paint } = window.crosscorpus; // of interactive.js
  const VIEWS = { table: "all rows", means: "means and ranks", two: "two models side by side", map: "heat map" };
  const TASK = ["source", "protocol", "head", "folds", "train_corpus", "test_corpus", "emotions"];
  const ALIKE = ["emotions", "source", "protocol", "folds"]; // what scores that are averaged must share
  const MAPS = {
    "train-test": ["train_corpus", "test_corpus"],
    "model-test": ["model", "test_corpus"],
    "model-train": ["model", "train_corpus"],
  };
  const BLUE = [8, 81, 156];
  const ORANGE = [166, 54, 3];

  const shown = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));
  const signed = (value) => (value === null ? "–" : `${value > 0 ? "+" : ""}${value.toFixed(2)}`.replace("-", "−"));
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  function explore(box) {
    const data = JSON.parse(box.querySelector("script").textContent);
    const facets = Object.keys(data.facets);
    const n = data.numbers.value.length;
    const text = (column, i) => data.texts[column].values[data.texts[column].rows[i]];
    const number = (column, i) => data.numbers[column][i];
    const isOurs = (i) => data.ours.includes(text("source", i));
    const all = Array.from({ length: n }, (_, i) => ({ i }));

    // -- what is chosen, and the address that says so ------------------------------------------------------------

    const fresh = () => ({ view: "table", score: data.texts.score.values[0], a: "", b: "", map: "train-test", of: "score", sort: "", chosen: {} });
    let state = fresh();
    let unknown = [];
    let begun = false; // the address that a page was opened with stays until something is chosen

    function toAddress() {
      const said = new URLSearchParams();
      for (const [name, value] of Object.entries(fresh())) if (name !== "chosen" && state[name] !== value) said.append(name, state[name]);
      for (const facet of facets) for (const value of state.chosen[facet] ?? []) said.append(facet, value);
      link.href = `#${said}`;
      if (begun && location.hash.slice(1) !== String(said)) history.replaceState(null, "", `#${said}`);
    }

    function fromAddress() {
      state = fresh();
      unknown = [];
      const known = { view: Object.keys(VIEWS), score: data.texts.score.values, map: Object.keys(MAPS), of: ["score", "difference"] };
      if (!location.hash.includes("=")) return;
      for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
        if (facets.includes(name) && data.texts[name].values.includes(value)) (state.chosen[name] ??= new Set()).add(value);
        else if (known[name]?.includes(value)) state[name] = value;
        else if ((name === "a" || name === "b") && data.texts.model.values.includes(value)) state[name] = value;
        else if (name === "sort" && /^\d+:(asc|desc)$/.test(value)) state.sort = value;
        else unknown.push(`${data.facets[name] ?? name}: ${value}`);
      }
    }

    // -- which rows are kept -------------------------------------------------------------------------------------

    const keep = new Uint8Array(n);
    let kept = [];

    function filter() {
      const scores = data.texts.score;
      const score = scores.values.indexOf(state.score);
      const allowed = facets.map((facet) => {
        const values = state.chosen[facet];
        return values?.size ? data.texts[facet].values.map((value) => values.has(value)) : null;
      });
      const counts = facets.map((facet) => new Uint32Array(data.texts[facet].values.length));
      kept = [];
      for (let i = 0; i < n; i++) {
        let against = scores.rows[i] === score ? 0 : 2;
        let last = -1;
        for (let f = 0; f < facets.length && against < 2; f++) {
          if (allowed[f] && !allowed[f][data.texts[facets[f]].rows[i]]) [against, last] = [against + 1, f];
        }
        keep[i] = against ? 0 : 1;
        if (!against) kept.push(i);
        // A value's count is of the rows that it would give with the other filters as they are.
        if (!against) facets.forEach((facet, f) => counts[f][data.texts[facet].rows[i]]++);
        else if (against === 1) counts[last][data.texts[facets[last]].rows[i]]++;
      }
      facets.forEach((facet, f) => boxes[facet].show(counts[f]));
    }

    // Why these rows have no mean; "" where they have one.
    function unlike(rows) {
      for (const column of ALIKE) {
        const codes = data.texts[column].rows;
        if (rows.every((i) => codes[i] === codes[rows[0]])) continue;
        const [what, why] = column === "emotions" ? ["label sets", "other emotions are another task"] : [`kinds of ${data.facets[column]}`, "unlike scores are not put together"];
        return `No mean: ${new Set(rows.map((i) => codes[i])).size} different ${what} (${why}). Choose one under “${data.facets[column]}”.`;
      }
      return "";
    }

    const said = (i) => {
      const parts = [`${text("model", i)}, trained on ${text("train_corpus", i)}, tested on ${text("test_corpus", i)}, ${text("head", i)}, ${text("folds", i)}: ${shown(number("value", i))} (${text("kind", i)}, ${text("source", i)})`];
      if (number("sd", i) !== null) parts.push(`± ${shown(number("sd", i))} over ${number("n_folds", i)} folds`);
      if (number("low", i) !== null) parts.push(`all test utterances together ${shown(number("together", i))}, 95 % interval ${shown(number("low", i))} to ${shown(number("high", i))}`);
      parts.push(number("n", i) === null ? "interval and number of utterances not published" : `${number("n", i)} test utterances`);
      parts.push(`rank ${number("rank", i)} of ${plural(number("of", i), "model")} on this task`);
      if (text("note", i)) parts.push(text("note", i));
      return parts.join("; ");
    };

    // -- the parts of the page -----------------------------------------------------------------------------------

    const note = element("output", { className: "note" });
    const count = element("output", { className: "count" });
    const stage = element("div", { className: "stage" });
    const more = element("div", { className: "choices" });
    const link = element("a", { textContent: "Link to this view", href: "#" });
    const hint = "Point at a value, reach it with the Tab key, or tap it, to see its interval, folds and number of utterances.";

    function tells(cell, words) {
      cell.tabIndex = 0;
      for (const event of ["mouseenter", "focus"]) cell.addEventListener(event, () => (note.textContent = words));
    }

    function selectOf(name, label, values, now, changed) {
      const select = element("select", { name });
      for (const [value, words] of Object.entries(values)) select.append(element("option", { value, textContent: words, selected: value === now }));
      select.addEventListener("change", () => changed(select.value));
      return element("label", {}, `${label} `, select);
    }

    const boxes = {};
    function facetBox(facet) {
      const values = data.texts[facet].values;
      const now = element("span");
      const list = element("fieldset", {}, element("legend", { textContent: data.facets[facet] }));
      const inputs = values.map((value) => {
        const input = element("input", { type: "checkbox", value });
        const many = element("span", { className: "many" });
        input.addEventListener("change", () => {
          const set = (state.chosen[facet] ??= new Set());
          input.checked ? set.add(value) : set.delete(value);
          changed();
        });
        list.append(element("label", {}, input, ` ${value} `, many));
        return [input, many];
      });
      const details = element("details", { className: "facet" }, element("summary", {}, `${data.facets[facet]}: `, now), list);
      details.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        details.open = false;
        details.firstChild.focus();
      });
      details.addEventListener("toggle", () => details.open && box.querySelectorAll("details.facet[open]").forEach((other) => (other.open = other === details)));
      boxes[facet] = {
        details,
        show(counts) {
          const chosen = state.chosen[facet] ?? new Set();
          now.textContent = chosen.size === 0 ? "all" : chosen.size === 1 ? [...chosen][0] : plural(chosen.size, "value");
          details.classList.toggle("chosen", chosen.size > 0);
          inputs.forEach(([input, many], place) => {
            input.checked = chosen.has(values[place]);
            many.textContent = `(${counts[place]})`;
            input.parentElement.classList.toggle("none", counts[place] === 0);
          });
        },
      };
      return details;
    }

    // -- the views -----------------------------------------------------------------------------------------------

    let drawn = null; // the view that stands, with a function for another selection; and what it would download
    let offered = () => [];

    function tableOf(columns, rows, extra = {}) {
      const table = element("table", { className: "explorer-table" });
      const holder = element("div", { className: "table-box", role: "group", tabIndex: 0 }, table);
      holder.setAttribute("aria-label", `Table: ${columns.map((column) => column.title).join(", ")}`);
      stage.replaceChildren(holder);
      const made = new DataTable(table, {
        data: rows, columns, order: [], pageLength: 25, deferRender: true, autoWidth: false, searching: true, ordering: true,
        layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null, bottom: ["info", "paging", "pageLength"] },
        language: { info: "Rows _START_ to _END_ of _TOTAL_", infoEmpty: "No rows", infoFiltered: "", emptyTable: "No rows", zeroRecords: "No rows: take a filter away", lengthMenu: "_MENU_ rows a page" },
        ...extra,
      });
      stage.append(...holder.querySelectorAll(".dt-layout-row:not(.dt-layout-table)")); // what turns pages does not scroll
      return made;
    }

    const words = (title, column) => ({ title, type: "string", data: (row) => text(column, row.i), render: DataTable.render.text() });
    const figures = (title, value, show = shown) => ({ title, type: "num", className: "figures", data: (row, type) => (type === "display" ? show(value(row)) : value(row)) });
    const escaped = (name) => element("i", { textContent: name }).innerHTML; // titles are HTML
    const published = (i) => (isOurs(i) ? number("published", i) : number("value", i));
    const ours = (i) => (isOurs(i) ? number("value", i) : null);
    const COLUMNS = [
      words("model", "model"),
      figures("published", (row) => published(row.i)),
      figures("ours", (row) => ours(row.i)),
      figures("difference", (row) => number("difference", row.i), signed),
      words("trained on", "train_corpus"), words("tested on", "test_corpus"), words("head", "head"), words("folds", "folds"),
      { ...figures("rank", (row) => number("rank", row.i)), data: (row, type) => (type === "display" ? `${number("rank", row.i)} of ${number("of", row.i)}` : number("rank", row.i)) },
      figures("interval", (row) => number("low", row.i)),
      words("source", "source"), words("protocol", "protocol"), words("family", "family"), words("emotions", "emotions"),
    ];
    COLUMNS[9].data = (row, type) => (type === "display" ? (number("low", row.i) === null ? "–" : `${shown(number("low", row.i), 1)}–${shown(number("high", row.i), 1)}`) : number("low", row.i));

    const DRAW = {
      table() {
        const [place, way] = state.sort.split(":");
        const table = tableOf(COLUMNS, all, {
          order: way && Number(place) < COLUMNS.length ? [[Number(place), way]] : [],
          createdRow: (line, row, _, cells) => {
            const at = isOurs(row.i) ? 2 : 1;
            tells(cells[at], said(row.i));
            line.addEventListener("mouseenter", () => (note.textContent = said(row.i)));
          },
        });
        table.column(0).search.fixed("chosen", (_, row) => keep[row.i] === 1);
        table.draw();
        table.on("order.dt", () => {
          const [first] = table.order();
          state.sort = first?.[1] ? `${first[0]}:${first[1]}` : "";
          toAddress();
        });
        offered = () => table.rows({ search: "applied" }).data().toArray().map(({ i }) => everything(i));
        return () => table.draw();
      },

      means() {
        stage.replaceChildren();
        const sections = new Map();
        for (const i of kept) {
          const key = ["source", "protocol", "folds"].map((column) => text(column, i)).join(" · ");
          (sections.get(key) ?? sections.set(key, []).get(key)).push(i);
        }
        const list = [];
        for (const [title, rows] of sections) {
          const [why, found, about] = ranked(rows);
          const part = element("section", {}, element("h2", { textContent: title }), element("p", { textContent: why || about }));
          if (!why) part.append(plainTable(["model", "mean", "mean rank", "first in"], found.map((m) => [m.model, shown(m.mean), shown(m.rank), `${m.first} of ${m.n}`])));
          found.forEach((m) => list.push({ of: title, score: state.score, model: m.model, cells: m.n, mean: m.mean, mean_rank: m.rank, first_in: m.first }));
          stage.append(part);
        }
        if (!sections.size) stage.append(element("p", { textContent: "No rows: take a filter away." }));
        offered = () => list;
      },

      two() {
        const models = Object.fromEntries([...new Set(kept.map((i) => text("model", i)))].map((name) => [name, name]));
        const names = Object.keys(models);
        const a = names.includes(state.a) ? state.a : names[0];
        const b = names.includes(state.b) ? state.b : names.find((name) => name !== a) ?? a;
        more.replaceChildren(
          selectOf("a", "one model", models, a, (value) => { state.a = value; changed(); }),
          selectOf("b", "another", models, b, (value) => { state.b = value; changed(); }),
        );
        const first = new Map(kept.filter((i) => text("model", i) === a).map((i) => [taskOf(i), i]));
        const pairs = kept.filter((i) => text("model", i) === b && first.has(taskOf(i))).map((j) => ({ i: first.get(taskOf(j)), j }));
        const values = pairs.map(({ i, j }) => number("value", i) - number("value", j));
        const why = pairs.length ? unlike(pairs.map(({ i }) => i)) : "No cell of the selection has both.";
        const higher = values.filter((value) => value > 0).length;
        const is = why || `On average, ${a} is ${signed(mean(values))} points from ${b}.`;
        const lead = pairs.length ? `${a} is higher than ${b} in ${higher} of ${plural(pairs.length, "cell")} that both have. ` : "";
        const table = tableOf([
          words("trained on", "train_corpus"), words("tested on", "test_corpus"), words("head", "head"), words("folds", "folds"),
          figures(escaped(a ?? "–"), (row) => number("value", row.i)), figures(escaped(b ?? "–"), (row) => number("value", row.j)),
          figures("difference", (row) => number("value", row.i) - number("value", row.j), signed),
          words("source", "source"), words("protocol", "protocol"), words("emotions", "emotions"),
        ], pairs, {
          createdRow: (line, row, _, cells) => {
            tells(cells[4], said(row.i));
            tells(cells[5], said(row.j));
          },
        });
        stage.prepend(element("p", { textContent: lead + is }));
        offered = () => table.rows().data().toArray().map(({ i, j }) => ({ ...Object.fromEntries(TASK.map((c) => [c, text(c, i)])), score: state.score, a, value_a: number("value", i), b, value_b: number("value", j), difference: number("value", i) - number("value", j) }));
      },

      map() {
        more.replaceChildren(
          selectOf("map", "rows and columns", { "train-test": "training × test corpus", "model-test": "model × test corpus", "model-train": "model × training corpus" }, state.map, (value) => { state.map = value; changed(); }),
          selectOf("of", "value", { score: "score", difference: "ours minus published" }, state.of, (value) => { state.of = value; changed(); }),
        );
        const [down, across] = MAPS[state.map];
        const column = state.of === "score" ? "value" : "difference";
        const cells = new Map();
        const rows = new Set();
        const columns = new Set();
        for (const i of kept) {
          if (number(column, i) === null) continue;
          rows.add(text(down, i));
          columns.add(text(across, i));
          const key = JSON.stringify([text(down, i), text(across, i)]);
          (cells.get(key) ?? cells.set(key, []).get(key)).push(i);
        }
        const whole = [...cells.values()].flat();
        const why = whole.length ? unlike(whole) : "No value in the selection.";
        const list = [];
        const table = element("table", { className: "matrix" });
        const head = table.createTHead().insertRow();
        head.append(element("td", { textContent: `${data.facets[down]} ↓, ${data.facets[across]} →`, className: "corner" }));
        for (const name of columns) head.append(element("th", { scope: "col", textContent: name }));
        const most = Math.max(1, ...whole.map((i) => Math.abs(number(column, i))));
        const body = table.createTBody();
        for (const row of rows) {
          const line = body.insertRow();
          line.append(element("th", { scope: "row", textContent: row }));
          for (const name of columns) {
            const here = cells.get(JSON.stringify([row, name])) ?? [];
            const reason = unlike(here);
            const value = here.length && !reason ? mean(here.map((i) => number(column, i))) : null;
            const cell = line.insertCell();
            cell.textContent = reason ? "≠" : state.of === "score" ? shown(value, 1) : signed(value);
            paint(cell, value === null ? 0 : state.of === "score" ? value / 100 : Math.abs(value) / most, value < 0 ? ORANGE : BLUE);
            const about = here.length === 1 ? said(here[0]) : here.length ? `${row}, ${name}: mean of ${plural(here.length, "cell")}` : `${row}, ${name}: not run and not published`;
            tells(cell, reason ? `${row}, ${name}: ${reason}` : about);
            if (value !== null) list.push({ [down]: row, [across]: name, score: state.score, value_of: state.of, mean: value, cells: here.length });
          }
        }
        const sizes = new Set([...cells.values()].map((here) => here.length));
        const uneven = sizes.size > 1 ? " The cells are means of unequally many values: see each." : "";
        stage.replaceChildren(element("p", { textContent: (why || `Each value is the mean of the selection's cells in its place.`) + uneven }), element("div", { className: "matrix-box" }, table));
        offered = () => list;
      },
    };

    const taskOf = (i) => TASK.map((column) => data.texts[column].rows[i]).join();
    const everything = (i) => ({
      ...Object.fromEntries(facets.filter((facet) => facet !== "cells").map((facet) => [facet, text(facet, i)])),
      score: text("score", i), published: published(i), ours: ours(i),
      ...Object.fromEntries(["difference", "rank", "of", "together", "low", "high", "sd", "n_folds", "n"].map((column) => [column, number(column, i)])),
      kind: text("kind", i), note: text("note", i),
    });

    // Mean and mean rank of the models that have the most cells, over the cells that all of them have.
    function ranked(rows) {
      const why = unlike(rows);
      if (why) return [why, [], ""];
      const blocks = new Map();
      const has = new Map();
      for (const i of rows) {
        const task = taskOf(i);
        (blocks.get(task) ?? blocks.set(task, new Map()).get(task)).set(text("model", i), number("value", i));
        has.set(text("model", i), (has.get(text("model", i)) ?? 0) + 1);
      }
      const most = Math.max(...has.values());
      const models = [...has.keys()].filter((name) => has.get(name) === most);
      const left = [...has.keys()].filter((name) => has.get(name) < most);
      const common = [...blocks.values()].filter((block) => models.every((name) => block.has(name)));
      if (models.length < 2) return [`No ranks: ${models.length === 1 && !left.length ? "one model only" : "no two models have the same cells"}.`, [], ""];
      if (!common.length) return ["No ranks: no cell has all models.", [], ""];
      const found = models.map((model) => {
        const ranks = common.map((block) => {
          const own = block.get(model);
          const others = models.map((name) => block.get(name));
          return 1 + others.filter((value) => value > own).length + (others.filter((value) => value === own).length - 1) / 2;
        });
        return { model, n: common.length, mean: mean(common.map((block) => block.get(model))), rank: mean(ranks), first: ranks.filter((rank) => rank < 2).length };
      });
      found.sort((x, y) => x.rank - y.rank || y.mean - x.mean);
      const out = left.length ? ` Left out, because they lack cells that others have: ${left.join(", ")}.` : "";
      return ["", found, `${plural(models.length, "model")} over ${plural(common.length, "cell")} that all of them have, all of the same emotions.${out}`];
    }

    function plainTable(titles, lines) {
      const table = element("table", { className: "explorer-table" });
      const head = table.createTHead().insertRow();
      titles.forEach((title, place) => head.append(element("th", { scope: "col", textContent: title, className: place ? "figures" : "" })));
      const body = table.createTBody();
      for (const [first, ...others] of lines) {
        const line = body.insertRow();
        line.append(element("th", { scope: "row", textContent: first }));
        for (const value of others) line.append(element("td", { textContent: value, className: "figures" }));
      }
      return element("div", { className: "table-box short" }, table);
    }

    function download() {
      const rows = offered();
      const columns = Object.keys(rows[0] ?? {});
      const field = (value) => (/[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
      const lines = [columns.join(), ...rows.map((row) => columns.map((column) => field(row[column] ?? "")).join())];
      const address = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
      element("a", { href: address, download: `scores-${state.view}.csv` }).click();
      URL.revokeObjectURL(address);
    }

    function summary() {
      const compared = kept.filter((i) => number("difference", i) !== null);
      const parts = [`${plural(kept.length, "row")} of ${n.toLocaleString("en")}`];
      if (compared.length) parts.push(unlike(compared) ? `difference in ${plural(compared.length, "row")}, no mean: not of one source, protocol, folds and label set` : `mean difference ${signed(mean(compared.map((i) => number("difference", i))))} points over ${plural(compared.length, "row")}`);
      if (unknown.length) parts.push(`not in this table: ${unknown.join(", ")}`);
      count.textContent = `${parts.join("; ")}.`;
    }

    function changed() {
      filter();
      summary();
      note.textContent = hint;
      const focus = document.activeElement?.closest(".choices") === more ? document.activeElement.name : "";
      if (drawn?.view === state.view && drawn.again) drawn.again();
      else {
        more.replaceChildren();
        drawn = { view: state.view, again: DRAW[state.view]() };
      }
      if (focus) more.querySelector(`[name="${focus}"]`)?.focus();
      toAddress();
    }

    const shows = element("fieldset", { className: "views" }, element("legend", { textContent: "show" }));
    for (const [view, label] of Object.entries(VIEWS)) {
      const input = element("input", { type: "radio", name: "view", value: view });
      input.addEventListener("change", () => { state.view = view; changed(); });
      shows.append(element("label", {}, input, ` ${label}`));
    }
    const score = selectOf("score", "score", Object.fromEntries(data.texts.score.values.map((name) => [name, data.scores[name]])), state.score, (value) => { state.score = value; changed(); });
    const clear = element("button", { type: "button", textContent: "Clear filters" });
    clear.addEventListener("click", () => { state.chosen = {}; unknown = []; changed(); });
    const save = element("button", { type: "button", textContent: "Download this view (CSV)" });
    save.addEventListener("click", download);
    const form = element("form", {}, shows, element("div", { className: "choices" }, score, ...facets.map(facetBox), clear));
    form.addEventListener("submit", (event) => event.preventDefault());

    function begin() {
      fromAddress();
      form.querySelectorAll("[name=view]").forEach((input) => (input.checked = input.value === state.view));
      score.querySelector("select").value = state.score;
      [drawn, begun] = [null, false];
      changed();
      begun = true;
    }

    box.replaceChildren(form, element("p", { className: "status" }, count, save, link), more, stage, note);
    begin();
    window.addEventListener("hashchange", () => location.hash.slice(1) !== link.hash.slice(1) && begin());
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("div.explorer").forEach(explore));
})();
