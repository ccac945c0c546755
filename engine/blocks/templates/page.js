"use strict";
{
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.append(...text);
    made.addEventListener("click", act);
    return made;
  };

  // Tables: a click on a column's name sorts by it; cells without a value stand last either way.
  const compare = (place, kind, sign) => (one, other) => {
    const [x, y] = [one, other].map((row) => row.cells[place].dataset.order);
    if (!x || !y) return !x - !y;
    return sign * (kind === "text" ? x.localeCompare(y, "en", { numeric: true }) : x - y);
  };
  const sort = (table, head) => {
    const kind = head.dataset.kind;
    const before = head.getAttribute("aria-sort");
    const falling = before ? before === "ascending" : kind !== "text" && kind !== "p";
    all("thead th", table).forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare(head.cellIndex, kind, falling ? -1 : 1)));
  };
  for (const table of all(".scroll > table"))
    for (const head of all("thead th", table)) head.append(button([...head.childNodes], () => sort(table, head)));

  // Figures: a click shows one as large as the window allows; Escape closes it.
  const zoom = document.createElement("dialog");
  zoom.setAttribute("aria-label", "Enlarged figure");
  document.body.append(zoom);
  for (const image of all(".picture > img")) {
    const open = button([], () => {
      zoom.replaceChildren(button(["Close"], () => zoom.close()), image.cloneNode());
      zoom.showModal();
    });
    open.setAttribute("aria-label", `Enlarge: ${image.alt}`);
    image.replaceWith(open);
    open.append(image);
  }
  zoom.addEventListener("click", (event) => { if (event.target === zoom) zoom.close(); });
}
