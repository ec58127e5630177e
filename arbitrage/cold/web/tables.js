// Tables that change twice a second: rows keep their elements, so that nothing a person has selected,
// scrolled to or focused jumps; columns sort by a button, so that the keyboard can do it too.

/** Set a text only where it differs: an untouched node costs no layout. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

export function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

/** Bring a list of elements into step with keyed items; `fill` draws one. */
export function keyed(parent, items, keyOf, create, fill) {
  const known = parent.known ?? (parent.known = new Map());
  const wanted = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    if (wanted.has(key)) continue;
    wanted.add(key);
    let node = known.get(key);
    if (!node) {
      node = create(item);
      known.set(key, node);
    }
    fill(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const [key, node] of known) {
    if (!wanted.has(key)) {
      node.remove();
      known.delete(key);
    }
  }
}

/**
 * A table whose columns sort.
 *
 * A column is {title, unit, cell(row) -> text, value(row), tone(row), name, numeric, isWide, head}; `value` is what
 * is sorted by. The order that the rows came in is the third choice of every button.
 */
export class SortedTable {
  constructor(table, columns, { keyOf, rank = () => 0, rowClass = () => "", empty }) {
    Object.assign(this, { columns, keyOf, rank, rowClass });
    this.body = table.tBodies[0];
    this.sorted = null; // {index, direction}
    this.rows = [];
    this.buttons = [];
    const head = table.tHead.rows[0];
    columns.forEach((column, index) => {
      const cell = make("th", column.numeric ? "num" : "");
      cell.scope = "col";
      cell.setAttribute("role", "columnheader");
      const button = make("button", "sort", column.title);
      button.type = "button";
      if (column.unit) button.append(" ", make("small", "", column.unit));
      button.addEventListener("click", () => this.turn(index));
      cell.append(button);
      head.append(cell);
      this.buttons.push(button);
    });
    this.emptyRow = make("tr", "empty");
    this.emptyRow.setAttribute("role", "row");
    const cell = make("td");
    cell.colSpan = columns.length;
    cell.setAttribute("role", "cell");
    this.emptyRow.append(cell);
    this.emptyText = empty;
  }

  turn(index) {
    const first = this.columns[index].numeric ? -1 : 1;
    const now = this.sorted;
    if (!now || now.index !== index) this.sorted = { index, direction: first };
    else if (now.direction === first) this.sorted = { index, direction: -first };
    else this.sorted = null;
    this.buttons.forEach((button, at) => {
      const is = this.sorted?.index === at ? this.sorted.direction : 0;
      const cell = button.parentElement;
      if (is) cell.setAttribute("aria-sort", is > 0 ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
    this.show(this.rows);
  }

  order(rows) {
    const choice = this.sorted;
    if (!choice) return rows;
    const value = this.columns[choice.index].value;
    const missing = (item) => item === null || item === undefined || item === "";
    return [...rows].sort((one, other) => {
      const ranks = this.rank(one) - this.rank(other);
      if (ranks) return ranks;
      const [a, b] = [value(one), value(other)];
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      return (a < b ? -1 : a > b ? 1 : 0) * choice.direction;
    });
  }

  show(rows, emptyText = this.emptyText) {
    this.rows = rows;
    keyed(this.body, this.order(rows), this.keyOf, () => this.create(), (node, row) => this.fill(node, row));
    if (rows.length === 0) {
      put(this.emptyRow.firstElementChild, emptyText);
      if (!this.emptyRow.isConnected) this.body.append(this.emptyRow);
    } else if (this.emptyRow.isConnected) this.emptyRow.remove();
  }

  create() {
    const node = make("tr");
    node.setAttribute("role", "row");
    for (const column of this.columns) {
      const cell = make(column.head ? "th" : "td");
      if (column.head) cell.scope = "row";
      cell.setAttribute("role", column.head ? "rowheader" : "cell");
      cell.dataset.label = column.title;
      if (column.name) cell.dataset.name = column.name;
      node.append(cell);
    }
    return node;
  }

  fill(node, row) {
    setClass(node, this.rowClass(row));
    this.columns.forEach((column, index) => {
      const cell = node.children[index];
      put(cell, column.cell(row));
      const classes = [column.numeric ? "num" : "", column.isWide ? "wide-cell" : "", column.tone?.(row) ?? ""];
      setClass(cell, classes.filter(Boolean).join(" "));
    });
  }
}

/** A table whose rows are facts and whose columns are whom they are about. */
export function factsTable(table, heads, rows, corner) {
  const columns = [corner, ...heads];
  const mark = columns.join("\u0000");
  if (table.mark !== mark) {
    table.mark = mark;
    const line = make("tr");
    for (const [index, text] of columns.entries()) {
      const cell = make("th", index ? "num" : "", text);
      cell.scope = "col";
      line.append(cell);
    }
    table.tHead.replaceChildren(line);
    table.tBodies[0].replaceChildren();
    table.tBodies[0].known = undefined;
  }
  const create = (row) => {
    const line = make("tr");
    const head = make("th", "", row.title);
    head.scope = "row";
    if (row.unit) head.append(make("small", "", ` ${row.unit}`));
    line.append(head, ...heads.map(() => make("td", "num")));
    return line;
  };
  keyed(table.tBodies[0], rows, (row) => row.title, create, (line, row) => {
    row.cells.forEach((cell, index) => {
      put(line.children[index + 1], cell.text);
      setClass(line.children[index + 1], `num ${cell.tone ?? ""}`.trim());
    });
  });
}
