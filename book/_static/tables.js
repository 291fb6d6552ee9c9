/* Long tables can be searched, and sorted by a click on a column's name. Without this script they are plain tables. */

(() => {
  const SEARCHED_FROM = 12; // rows
  const SORTED_FROM = 4;
  const LONG_NAME = 15; // characters of a column's name that is given room

  // "83.2 ± 1.4", "83.2 | 80.1 †", "+9.8", "< 0.001" and "1,234" are numbers; a dash is nothing, and nothing goes last.
  const number = (text) => {
    const plain = text.replaceAll(",", "").replace("\u2212", "-").replace(/^< /, "");
    return /^[-+]?[\d.]+(e[-+]?\d+)?(\s*[±|†%].*)?$/.test(plain) ? parseFloat(plain) : NaN;
  };
  const textOf = (row, column) => row.cells[column]?.textContent.trim() ?? "";
  const isNothing = (text) => text === "" || text === "–";

  const compare = (a, b) => {
    const [x, y] = [number(a), number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  };

  // Which rows of a long table are shown depends on their order; see table_boxes.js.
  const changed = (table) => table.closest(".table-box").dispatchEvent(new Event("rows-changed"));

  function sortable(table, head) {
    const body = table.tBodies[0];
    const rows = [...body.rows]; // in the order of the page
    [...head.cells].forEach((cell, column) => {
      const name = cell.textContent.trim();
      if (!name || cell.classList.contains("index_name")) return; // the latter names the header's row
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.title = `Sort by ${name}`;
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: null }[cell.getAttribute("aria-sort")];
        const order = next === undefined ? "ascending" : next;
        for (const other of head.cells) other.removeAttribute("aria-sort");
        table.classList.toggle("sorted", order !== null);
        if (order === null) {
          body.append(...rows);
          return changed(table);
        }
        cell.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const sorted = [...rows].sort((a, b) => {
          const [x, y] = [textOf(a, column), textOf(b, column)];
          if (isNothing(x) || isNothing(y)) return isNothing(x) - isNothing(y);
          return sign * compare(x, y);
        });
        body.append(...sorted);
        changed(table);
      });
    });
  }

  function searchable(table, box) {
    const rows = [...table.tBodies[0].rows];
    const bar = document.createElement("div");
    bar.className = "table-search";
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Find rows";
    field.setAttribute("aria-label", `Find rows in: ${box.getAttribute("aria-label")}`);
    const count = document.createElement("output");
    count.textContent = `${rows.length} rows`;
    bar.append(field, count);
    box.before(bar);
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
        left += !row.hidden;
      }
      box.searched = wanted.length > 0;
      changed(table);
      count.textContent = left === rows.length ? `${left} rows` : `${left} of ${rows.length} rows`;
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    // Boxes that scroll are reached by keyboard too; tables of the text have no box of their own.
    for (const box of document.querySelectorAll(".bd-content .pst-scrollable-table-container, .bd-content figure")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    }
    for (const box of document.querySelectorAll(".table-box")) {
      const table = box.querySelector("table");
      const rows = table?.tBodies[0]?.rows ?? [];
      for (const name of table?.tHead?.querySelectorAll("th[scope=col]:not([colspan])") ?? []) {
        const text = name.textContent.trim();
        name.classList.toggle("long", text.length > LONG_NAME);
        name.classList.toggle("word", !text.includes(" "));
      }
      const head = table?.tHead?.rows[table.tHead.rows.length - 1];
      if (!head || table.tBodies[0].querySelector("[rowspan]") || head.cells.length !== rows[0]?.cells.length) continue;
      if (rows.length >= SORTED_FROM) sortable(table, head);
      if (rows.length >= SEARCHED_FROM) searchable(table, box);
    }
  });
})();
