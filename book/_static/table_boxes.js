/* Tables fit their page: a wide one takes the room of the contents at the right, then sets its words closer; what is
   still too wide scrolls in its box, whose edge fades while there is more. Long ones show their first rows, and a
   button the others. Without this script they are whole tables in boxes that scroll. */

(() => {
  const TALL = 700; // pixels of rows that are shown at once
  const SPARED = 1.35; // a table that is taller by less than this is shown whole
  const FEWEST = 5; // rows
  const GAP = 16; // pixels between a wide table and the edge of the page
  const STEPS = [["tight"], ["wide"], ["wide", "tight"], ["wide", "tight", "wrapped"]];

  const inSight = (box) => box.offsetWidth > 0 && !box.closest("details:not([open])");
  const fits = (box) => box.scrollWidth <= box.clientWidth;

  function room(box) {
    const page = box.closest(".bd-content") ?? document.documentElement;
    return Math.floor(page.getBoundingClientRect().right - box.getBoundingClientRect().left) - GAP;
  }

  function edge(box) {
    const left = box.scrollWidth - box.clientWidth - box.scrollLeft;
    box.classList.toggle("more", left > 1);
    box.classList.toggle("scrolled", box.scrollLeft > 1);
  }

  function fit(box) {
    if (!inSight(box)) return; // in a part that is closed; done when it opens
    box.classList.remove("fits", "wide", "tight", "wrapped");
    box.style.width = "";
    for (const step of fits(box) ? [] : STEPS) {
      box.classList.remove("wide", "tight", "wrapped");
      box.style.width = "";
      box.classList.add(...step);
      const table = box.querySelector("table");
      const least = box.clientWidth;
      if (step[0] === "wide") box.style.width = `${Math.max(least, Math.min(room(box), table.scrollWidth + 2))}px`;
      if (fits(box)) break;
    }
    box.classList.toggle("wide", box.style.width !== "" && box.offsetWidth > box.parentElement.clientWidth);
    box.classList.toggle("fits", fits(box));
    edge(box);
  }

  // The first rows, as many as `TALL` has room for, and a button for all. What is searched for is always shown.
  function cut(box) {
    const body = box.querySelector("table")?.tBodies[0];
    if (!body || !inSight(box) || box.closest(".explorer")) return; // which turns pages
    const rows = [...body.rows];
    for (const row of rows) row.classList.remove("beyond");
    const button = box.cutButton;
    const top = body.getBoundingClientRect().top;
    const ends = rows.map((row) => row.getBoundingClientRect().bottom - top);
    const first = Math.max(FEWEST, ends.filter((end) => end <= TALL).length);
    const long = !box.searched && first < rows.length && ends[rows.length - 1] > SPARED * TALL;
    if (long && !button) {
      box.cutButton = Object.assign(document.createElement("button"), { type: "button", className: "show-rows" });
      box.cutButton.addEventListener("click", () => {
        box.whole = !box.whole;
        cut(box);
      });
      box.after(box.cutButton);
    }
    if (box.cutButton) {
      box.cutButton.hidden = !long;
      box.cutButton.setAttribute("aria-expanded", String(Boolean(box.whole)));
      box.cutButton.textContent = box.whole ? `Show the first ${first} rows` : `Show all ${rows.length} rows`;
    }
    if (long && !box.whole) for (const row of rows.slice(first)) row.classList.add("beyond");
  }

  // Where a wide table passes, the contents at the right make way.
  function makeWay() {
    const contents = document.querySelector(".bd-sidebar-secondary");
    if (!contents) return;
    const own = contents.getBoundingClientRect();
    const covered = [...document.querySelectorAll(".table-box.wide")].some((box) => {
      const at = box.getBoundingClientRect();
      return at.right > own.left && at.top < own.bottom && at.bottom > own.top && at.height > 0;
    });
    contents.classList.toggle("makes-way", covered);
  }

  function arrange(part = document) {
    for (const box of part.querySelectorAll(".bd-content .table-box")) {
      if (!box.watched) {
        box.watched = true;
        box.addEventListener("scroll", () => edge(box), { passive: true });
        box.addEventListener("rows-changed", () => cut(box)); // of tables.js
      }
      fit(box);
      cut(box);
      fit(box); // to the rows that are left
    }
    makeWay();
  }

  Object.assign((window.crosscorpus ??= {}), { arrange }); // for explorer.js

  document.addEventListener("DOMContentLoaded", () => arrange());
  document.addEventListener("toggle", ({ target }) => arrange(target), true); // a part that opens
  window.addEventListener("scroll", makeWay, { passive: true });
  let width = 0;
  let waiting = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return; // a phone's address bar comes and goes
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(arrange, 150);
  });
})();
