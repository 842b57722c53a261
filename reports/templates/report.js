"use strict";
// Sorting and searching of tables; everything reads without this script.
(() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    const raw = cell.dataset.v ?? cell.textContent.replace(/[,%]/g, "").replace("−", "-").trim();
    return raw !== "" && !Number.isNaN(Number(raw)) ? Number(raw) : raw;
  };
  const compare = (a, b) => {
    // Blanks and words after numbers, whichever way the column is sorted.
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return typeof a === "number" ? a - b : a.localeCompare(b, "en-GB");
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach((heading, column) => {
      if ("unordered" in heading.dataset) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const descending = heading.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("thead th").forEach((th) => th.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const body = table.tBodies[0];
        const keyed = [...body.rows].map((row) => [value(row, column), row]);
        keyed.sort(([a], [b]) =>
          typeof a !== typeof b ? compare(a, b) : (descending ? -1 : 1) * compare(a, b));
        body.append(...keyed.map(([, row]) => row));
      });
    });
  }
  for (const input of document.querySelectorAll("input[data-filters]")) {
    const rows = [...document.getElementById(input.dataset.filters).tBodies[0].rows];
    const count = document.getElementById(`${input.dataset.filters}-count`);
    // A table may offer a choice of states beside its search, and be searched as a whole.
    const choice = document.querySelector(`select[data-filters="${input.dataset.filters}"]`);
    const whole = "whole" in input.dataset;
    const words = rows.map((row) =>
      [...row.cells].slice(0, whole ? undefined : 2).map((cell) => cell.textContent).join(" ").toLowerCase());
    const filter = () => {
      const sought = input.value.trim().toLowerCase().split(/\s+/);
      let shown = 0;
      rows.forEach((row, i) => {
        row.hidden = !sought.every((word) => words[i].includes(word))
          || Boolean(choice?.value) && !row.dataset.state.split(" ").includes(choice.value);
        shown += row.hidden ? 0 : 1;
      });
      count.textContent = `${shown} of ${rows.length}`;
    };
    input.addEventListener("input", filter);
    choice?.addEventListener("change", filter);
    filter();
  }
})();
