/* The four views of the explorer. Each draws a selection into the stage and returns what a download of it has, and
   a function that draws another selection, where that is quicker than to begin anew. */

window.crosscorpus.views = (data, scores, page) => {
  const { element, paint } = window.crosscorpus;
  const { text, number, isOurs, shown, signed, plural, mean, unlike, said } = scores;
  const { state, stage, more, tells, changed, toAddress } = page;
  const MAPS = {
    "train-test": ["train_corpus", "test_corpus", "training × test corpus"],
    "model-test": ["model", "test_corpus", "model × test corpus"],
    "model-train": ["model", "train_corpus", "model × training corpus"],
  };
  const VALUES = { score: "score", difference: "ours minus published" };
  const BLUE = [8, 81, 156];
  const ORANGE = [166, 54, 3];
  const EMPTY = "No rows: take a filter away.";

  const escaped = (name) => element("i", { textContent: name }).innerHTML; // DataTables takes titles as HTML
  const words = (title, column) => ({
    title,
    type: "string",
    data: (row) => text(column, row.i),
    render: DataTable.render.text(),
  });
  const figures = (title, value, show = (one) => shown(one)) => ({
    title: escaped(title),
    type: "num",
    className: "figures",
    data: (row, type) => (type === "display" ? show(value(row), row) : value(row)),
  });
  const interval = (low, { i }) => (low === null ? "–" : `${shown(low, 1)}–${shown(number("high", i), 1)}`);
  const COLUMNS = [
    words("model", "model"),
    figures("difference", ({ i }) => number("difference", i), signed),
    figures("published", ({ i }) => scores.published(i)),
    figures("ours", ({ i }) => scores.ours(i)),
    words("trained on", "train_corpus"),
    words("tested on", "test_corpus"),
    words("head", "head"),
    words("folds", "folds"),
    figures("rank", ({ i }) => number("rank", i), (rank, { i }) => `${rank} of ${number("of", i)}`),
    figures("interval", ({ i }) => number("low", i), interval),
    words("source", "source"),
    words("protocol", "protocol"),
    words("family", "family"),
    { ...words("emotions", "emotions"), className: "emotions" },
  ];
  const all = Array.from({ length: scores.n }, (_, i) => ({ i }));

  function sortable(columns, rows, extra) {
    const table = element("table", { className: "explorer-table" });
    const box = element("div", { className: "table-box", role: "group", tabIndex: 0 }, table);
    box.setAttribute("aria-label", `Table: ${columns.map((column) => column.title).join(", ")}`);
    stage.replaceChildren(box);
    const made = new DataTable(table, {
      data: rows,
      columns,
      order: [],
      pageLength: 25,
      deferRender: true,
      autoWidth: false,
      layout: {
        topStart: null,
        topEnd: null,
        bottomStart: null,
        bottomEnd: null,
        bottom: ["info", "paging", "pageLength"],
      },
      language: {
        info: "Rows _START_ to _END_ of _TOTAL_",
        infoEmpty: "No rows",
        infoFiltered: "",
        emptyTable: EMPTY,
        zeroRecords: EMPTY,
        lengthMenu: "_MENU_ rows a page",
      },
      ...extra,
    });
    // What turns pages does not scroll with the table.
    stage.append(...box.querySelectorAll(".dt-layout-row:not(.dt-layout-table)"));
    return made;
  }

  function plain(titles, lines) {
    const table = element("table", { className: "explorer-table" });
    const head = table.createTHead().insertRow();
    titles.forEach((title, place) =>
      head.append(element("th", { scope: "col", textContent: title, className: place ? "figures" : "" })),
    );
    const body = table.createTBody();
    for (const [first, ...others] of lines) {
      const line = body.insertRow();
      line.append(element("th", { scope: "row", textContent: first }));
      for (const value of others) line.append(element("td", { textContent: value, className: "figures" }));
    }
    return element("div", { className: "table-box short" }, table);
  }

  function chooser(name, label, values) {
    return page.selectOf(name, label, values, state()[name], (value) => {
      state()[name] = value;
      changed();
    });
  }

  function table() {
    const [place, way] = state().sort.split(":");
    const made = sortable(COLUMNS, all, {
      order: way && Number(place) < COLUMNS.length ? [[Number(place), way]] : [],
      createdRow: (line, { i }, _, cells) => {
        tells(cells[isOurs(i) ? 2 : 1], said(i));
        line.addEventListener("mouseenter", () => page.note(said(i)));
      },
    });
    made.column(0).search.fixed("chosen", (_, { i }) => scores.keep[i] === 1); // of one column: none is joined
    made.draw();
    made.on("order.dt", () => {
      const [first] = made.order();
      state().sort = first?.[1] ? `${first[0]}:${first[1]}` : "";
      toAddress();
    });
    const rows = () => made.rows({ search: "applied" }).data().toArray();
    return { again: () => made.draw(), offered: () => rows().map(({ i }) => scores.everything(i)) };
  }

  function means(kept) {
    const sections = new Map();
    for (const i of kept) {
      const title = `${text("source", i)} · protocol: ${text("protocol", i)} · folds: ${text("folds", i)}`;
      if (!sections.has(title)) sections.set(title, []);
      sections.get(title).push(i);
    }
    const offered = [];
    stage.replaceChildren(...(sections.size ? [] : [element("p", { textContent: EMPTY })]));
    for (const [title, rows] of sections) {
      const [why, found, about] = scores.ranked(rows);
      const head = element("h2", { textContent: title });
      const part = element("section", {}, head, element("p", { textContent: why || about }));
      const lines = found.map((m) => [m.model, shown(m.mean), shown(m.rank), `${m.first} of ${m.n}`]);
      if (!why) part.append(plain(["model", "mean", "mean rank", "first in"], lines));
      stage.append(part);
      const row = { of: title, score: state().score };
      for (const m of found) {
        offered.push({ ...row, model: m.model, cells: m.n, mean: m.mean, mean_rank: m.rank, first_in: m.first });
      }
    }
    return { offered: () => offered };
  }

  function two(kept) {
    const names = [...new Set(kept.map((i) => text("model", i)))];
    const known = Object.fromEntries(names.map((name) => [name, name]));
    const a = names.includes(state().a) ? state().a : (names[0] ?? "–");
    const b = names.includes(state().b) ? state().b : (names.find((name) => name !== a) ?? a);
    [state().a, state().b] = names.length ? [a, b] : ["", ""];
    more.replaceChildren(chooser("a", "one model", known), chooser("b", "another", known));
    const first = new Map(kept.filter((i) => text("model", i) === a).map((i) => [scores.taskOf(i), i]));
    const pairs = kept
      .filter((i) => text("model", i) === b && first.has(scores.taskOf(i)))
      .map((j) => ({ i: first.get(scores.taskOf(j)), j }));
    const gap = ({ i, j }) => number("value", i) - number("value", j);
    const columns = [
      ...["train_corpus", "test_corpus", "head", "folds"].map((column) => words(data.facets[column], column)),
      figures(a, ({ i }) => number("value", i)),
      figures(b, ({ j }) => number("value", j)),
      figures("difference", gap, signed),
      ...["source", "protocol", "emotions"].map((column) => words(data.facets[column], column)),
    ];
    sortable(columns, pairs, {
      createdRow: (line, { i, j }, _, cells) => {
        tells(cells[4], said(i));
        tells(cells[5], said(j));
      },
    });
    stage.prepend(element("p", { textContent: lead(a, b, pairs, pairs.map(gap)) }));
    const offered = pairs.map(({ i, j }) => {
      const values = { a, value_a: number("value", i), b, value_b: number("value", j), difference: gap({ i, j }) };
      return { ...scores.task(i), score: state().score, ...values };
    });
    return { offered: () => offered };
  }

  function lead(a, b, pairs, gaps) {
    if (!pairs.length) return "No cell of the selection has both.";
    const higher = gaps.filter((value) => value > 0).length;
    const count = `${a} is higher than ${b} in ${higher} of ${plural(pairs.length, "cell")} that both have.`;
    const average = `On average, ${a} is ${signed(mean(gaps))} points from ${b}.`;
    return `${count} ${unlike(pairs.map(({ i }) => i)) || average}`;
  }

  function map(kept) {
    const labels = Object.fromEntries(Object.entries(MAPS).map(([name, [, , label]]) => [name, label]));
    more.replaceChildren(chooser("map", "rows and columns", labels), chooser("of", "value", VALUES));
    const [down, across] = MAPS[state().map];
    const isScore = state().of === "score";
    const value = (i) => number(isScore ? "value" : "difference", i);
    const whole = kept.filter((i) => value(i) !== null);
    const [rows, columns] = [down, across].map((column) => [...new Set(whole.map((i) => text(column, i)))]);
    const cells = new Map();
    for (const i of whole) {
      const place = `${rows.indexOf(text(down, i))},${columns.indexOf(text(across, i))}`;
      if (!cells.has(place)) cells.set(place, []);
      cells.get(place).push(i);
    }
    const most = Math.max(1, ...whole.map((i) => Math.abs(value(i))));
    const offered = [];
    const made = element("table", { className: "matrix" });
    const head = made.createTHead().insertRow();
    const corner = `${data.facets[down]} ↓, ${data.facets[across]} →`;
    head.append(element("td", { textContent: corner, className: "corner" }));
    for (const name of columns) head.append(element("th", { scope: "col", textContent: name }));
    const body = made.createTBody();
    rows.forEach((row, r) => {
      const line = body.insertRow();
      line.append(element("th", { scope: "row", textContent: row }));
      columns.forEach((name, c) => {
        const here = cells.get(`${r},${c}`) ?? [];
        const reason = unlike(here);
        const one = here.length && !reason ? mean(here.map(value)) : null;
        const cell = line.insertCell();
        cell.textContent = reason ? "≠" : isScore ? shown(one, 1) : signed(one);
        paint(cell, one === null ? 0 : isScore ? one / 100 : Math.abs(one) / most, one < 0 ? ORANGE : BLUE);
        const several = here.length ? `mean of ${plural(here.length, "cell")}` : "not run and not published";
        tells(cell, here.length === 1 ? said(here[0]) : `${row}, ${name}: ${reason || several}`);
        if (one === null) return;
        const of = { score: state().score, value_of: state().of, mean: one, cells: here.length };
        offered.push({ [down]: row, [across]: name, ...of });
      });
    });
    const sizes = new Set([...cells.values()].map((here) => here.length));
    const uneven = sizes.size > 1 ? " Places have unequally many cells: see each." : "";
    const about = whole.length
      ? unlike(whole) || "Each value is the mean of the selection's cells in its place."
      : "No value in the selection.";
    const box = element("div", { className: "matrix-box" }, made);
    stage.replaceChildren(element("p", { textContent: about + uneven }), box);
    return { offered: () => offered };
  }

  return { MAPS, VALUES, draw: { table, means, two, map } };
};
