"use strict";
// Sorts a table by a column: numbers by their value, largest first, then words in the study's order.
// The third press gives that order back.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const original = [...body.rows];
  const number = (row, column) => parseFloat(row.cells[column].dataset.value ?? "NaN");
  const text = (row, column) => row.cells[column].textContent;
  const byValue = (column, sign) => (a, b) => {
    const [x, y] = [number(a, column), number(b, column)];
    if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
    return sign * (x - y);
  };
  const byText = (column, sign) => (a, b) => {
    const [x, y] = [text(a, column), text(b, column)];
    return x < y ? -sign : x > y ? sign : 0;
  };
  heads.forEach((head, column) => {
    const numeric = original.some((row) => !isNaN(number(row, column)));
    const cycle = numeric ? ["none", "descending", "ascending"] : ["none", "ascending", "descending"];
    head.firstElementChild.addEventListener("click", () => {
      const next = cycle[(cycle.indexOf(head.ariaSort) + 1) % 3];
      for (const other of heads) other.ariaSort = "none";
      head.ariaSort = next;
      const compare = (numeric ? byValue : byText)(column, next === "ascending" ? 1 : -1);
      body.replaceChildren(...(next === "none" ? original : [...original].sort(compare)));
    });
  });
}

// A press anywhere in a row holds what it says of itself, so that its links can be reached; Escape puts it away.
for (const row of document.querySelectorAll(".picture tbody tr")) {
  row.addEventListener("click", (event) => {
    if (!event.target.closest("a") && getSelection().isCollapsed) row.querySelector("[tabindex]").focus();
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.activeElement.blur();
});
