// The list of servers: a tree grid of which only the rows on the screen exist (ARIA Authoring Practices, treegrid).

import { age, bar, bytes, el, milliseconds, setAge, setText, short, spark, strip, whole } from "./draw.js";
import { poolState, server, stateOf } from "./model.js";

const OVERSCAN = 8;
const PRINTED = 1000;
const COLUMNS = [
  ["name", "Server"], ["state", "State"], ["since", "Since"], ["weight", "Weight"], ["connections", "Active / inactive"],
  ["rate", "Conn/s"], ["share", "Share"], ["traffic", "In / out a second"], ["past", "Hour / probes"], ["why", "Why, or the last check"],
];

export class Table {
  /** `opened` is called with a row that the reader opens, `toggled` with a pool whose rows he wants to see or not. */
  constructor(model, details, { opened, toggled }) {
    Object.assign(this, { model, details, opened, toggled });
    this.current = null;
    this.drawn = new Map();
    this.printing = false;
    this.rows = el("div", { class: "rows", role: "rowgroup" });
    this.head = el("div", { class: "row columns", role: "row", "aria-rowindex": 1 },
      COLUMNS.map(([kind, words]) => el("span", { role: "columnheader", class: `cell is-${kind}` }, words)));
    this.grid = el("div", { class: "grid", role: "treegrid", "aria-label": "Virtual servers and their real servers", "aria-readonly": "true" },
      el("div", { role: "rowgroup", class: "head" }, this.head), this.rows);
    this.note = el("p", { class: "cut", hidden: true });
    this.element = el("section", { class: "servers", "aria-labelledby": "servers-title" },
      el("h2", { id: "servers-title", class: "hidden" }, "Servers"), this.grid, this.note);
    this.rows.addEventListener("click", (event) => this.clicked(event));
    this.rows.addEventListener("focusin", (event) => this.focused(event));
    this.frame = 0;
    const again = () => this.soon();
    addEventListener("scroll", again, { passive: true });
    addEventListener("resize", again, { passive: true });
    addEventListener("beforeprint", () => this.print(true));
    addEventListener("afterprint", () => this.print(false));
  }

  soon() {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw());
  }

  /** Lay the list out anew after the model arranged its rows; what the reader looks at stays where it is. */
  arranged() {
    const anchor = this.anchor();
    this.places = new Map(this.model.rows.map((row, place) => [row.key, place]));
    this.height = Number.parseFloat(getComputedStyle(this.grid).getPropertyValue("--row")) || 34;
    if (!this.printing) this.rows.style.height = `${this.model.rows.length * this.height}px`;
    this.grid.setAttribute("aria-rowcount", this.model.rows.length + 1);
    if (anchor !== null && this.places.has(anchor.key)) {
      const moved = (this.places.get(anchor.key) - anchor.place) * this.height;
      if (moved !== 0) scrollBy({ top: moved, behavior: "instant" });
    }
    this.draw();
  }

  /** The topmost row, where the reader has scrolled down to it: at the top new problems are to appear at the top. */
  anchor() {
    if (this.places === undefined || !this.height) return null;
    const above = -this.rows.getBoundingClientRect().top;
    if (above <= this.height) return null;
    const place = Math.floor(above / this.height);
    const key = this.listed?.[place]?.key;
    return key === undefined ? null : { key, place };
  }

  /** Draw the rows that are on the screen, and none that are not, except the one that has the keyboard. */
  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const rows = this.model.rows;
    this.listed = rows;
    if (this.places === undefined) return;
    this.height = Number.parseFloat(getComputedStyle(this.grid).getPropertyValue("--row")) || 34;
    const top = this.rows.getBoundingClientRect().top;
    let from = Math.max(0, Math.floor(-top / this.height) - OVERSCAN);
    let to = Math.min(rows.length, Math.ceil((innerHeight - top) / this.height) + OVERSCAN);
    if (this.printing) [from, to] = [0, Math.min(rows.length, PRINTED)];
    this.rows.style.height = this.printing ? "auto" : `${rows.length * this.height}px`;
    if (this.current === null || !this.places.has(this.current)) this.current = this.nearest();
    const wanted = new Map();
    for (let place = from; place < to; place += 1) wanted.set(place, rows[place]);
    const kept = this.places.get(this.current);
    if (kept !== undefined) wanted.set(kept, rows[kept]);
    const places = [...wanted.keys()].sort((one, other) => one - other);
    const keys = new Set(places.map((place) => rows[place].key));
    const held = document.activeElement;
    for (const [key, made] of this.drawn) {
      if (keys.has(key)) continue;
      made.element.remove();
      this.drawn.delete(key);
    }
    let before = this.rows.firstElementChild;
    for (const place of places) {
      const row = rows[place];
      let made = this.drawn.get(row.key);
      if (made === undefined) this.drawn.set(row.key, (made = row.index === null ? new PoolRow() : new ServerRow()));
      made.update(row, place, this.height, this);
      if (made.element === before) before = before.nextElementSibling;
      else this.rows.insertBefore(made.element, before);
    }
    if (held?.matches?.(".row") && document.activeElement !== held && held.isConnected) held.focus({ preventScroll: true });
    this.visible = rows.slice(from, to);
    this.details.refresh(this.visible);
  }

  /** The row nearest to where the one that is gone was. */
  nearest() {
    if (this.model.rows.length === 0) return null;
    const place = Math.min(this.lastPlace ?? 0, this.model.rows.length - 1);
    return this.model.rows[place].key;
  }

  print(printing) {
    this.printing = printing;
    document.documentElement.classList.toggle("printing", printing);
    const cut = this.model.rows.length - PRINTED;
    this.note.hidden = !(printing && cut > 0);
    if (cut > 0) setText(this.note, `${whole(cut)} more rows are not printed; a filter chooses which are.`);
    this.draw();
  }

  clicked(event) {
    const element = event.target.closest(".row");
    const row = element && this.model.rows[this.places.get(element.dataset.key)];
    if (!row || getSelection().toString()) return;
    this.current = row.key;
    if (event.target.closest(".twisty")) this.toggled(row);
    else this.opened(row);
    this.draw();
  }

  focused(event) {
    const key = event.target.closest(".row")?.dataset.key;
    if (key === undefined || key === this.current) return;
    this.current = key;
    this.lastPlace = this.places.get(key);
    this.soon();
  }

  currentRow() {
    return this.model.rows[this.places?.get(this.current)] ?? null;
  }

  /** Move by so many rows and give the row the keyboard; return it. */
  move(by, focus = true) {
    const rows = this.model.rows;
    if (rows.length === 0) return null;
    const now = this.places.get(this.current);
    const begun = this.begun || this.rows.contains(document.activeElement);
    const place = Math.max(0, Math.min(rows.length - 1, begun ? (now ?? 0) + by : by > 1 ? by : now ?? 0));
    this.begun = true;
    return this.go(rows[place].key, focus);
  }

  /** Bring a row onto the screen and give it the keyboard. */
  go(key, focus = true) {
    const place = this.places.get(key);
    if (place === undefined) return null;
    this.current = key;
    this.lastPlace = place;
    const top = this.rows.getBoundingClientRect().top + place * this.height;
    const covered = this.head.getBoundingClientRect().bottom;
    const upper = Math.max(covered > 0 ? covered : 0, 0);
    if (top < upper + 2) scrollBy({ top: top - upper - 2, behavior: "instant" });
    else if (top + this.height > innerHeight - 2) scrollBy({ top: top + this.height - innerHeight + 2, behavior: "instant" });
    this.draw();
    if (focus) this.drawn.get(key)?.element.focus({ preventScroll: true });
    return this.model.rows[place];
  }
}

class Row {
  constructor(kind) {
    this.cells = {};
    this.element = el("div", { class: `row ${kind}`, role: "row" });
    for (const [name] of COLUMNS) {
      this.cells[name] = el("span", { class: `cell is-${name}`, role: name === "name" ? "rowheader" : "gridcell" });
      this.element.append(this.cells[name]);
    }
    this.state = el("span", { class: "state" });
    this.symbol = el("span", { class: "symbol", "aria-hidden": "true" });
    this.words = el("span");
    this.state.append(this.symbol, this.words);
    this.cells.state.append(this.state);
    this.since = age(null);
    this.cells.since.append(this.since);
    this.title = el("b");
    this.address = el("small");
    this.drawings = {};
  }

  place(row, place, height, table) {
    const { element } = this;
    element.dataset.key = row.key;
    element.setAttribute("aria-rowindex", place + 2);
    element.setAttribute("aria-level", row.level);
    element.tabIndex = table.current === row.key ? 0 : -1;
    element.style.transform = table.printing ? "" : `translateY(${place * height}px)`;
    element.classList.toggle("odd", place % 2 === 1);
  }

  tell({ kind, symbol, words }) {
    if (this.element.dataset.kind !== kind) this.element.dataset.kind = kind;
    setText(this.symbol, symbol);
    setText(this.words, words);
  }

  /** Draw something in a cell where what it shows differs from what is there. */
  drawing(cell, shown, make) {
    if (this.drawings[cell] === shown) return;
    this.drawings[cell] = shown;
    this.cells[cell].replaceChildren(...make());
  }
}

class PoolRow extends Row {
  constructor() {
    super("pool");
    this.twisty = el("span", { class: "twisty", "aria-hidden": "true" });
    this.cells.name.append(this.twisty, this.title, " ", this.address);
  }

  update(row, place, height, table) {
    this.place(row, place, height, table);
    const { data } = row.pool;
    this.element.setAttribute("aria-expanded", row.open);
    setText(this.twisty, row.open ? "▾" : "▸");
    setText(this.title, data.name);
    setText(this.address, `${data.protocol} ${data.address}`);
    this.cells.name.title = `${data.name} · ${data.protocol} ${data.address}`;
    this.tell(poolState(data.state));
    setAge(this.since, data.since);
    this.drawing("weight", `${data.live}/${data.configured}/${data.quorum.up}/${data.quorum.met}`, () => [
      bar(data.live, data.configured, data.live >= data.configured ? "good" : data.live > 0 ? "warning" : "bad"),
      el("span", { title: `live weight ${data.live} of ${data.configured} configured, quorum ${data.quorum.up}` }, `${whole(data.live)} / ${whole(data.configured)}`),
    ]);
    setText(this.cells.connections, `${short(data.active)} / ${short(data.inactive)}`);
    setText(this.cells.rate, short(data.cps));
    setText(this.cells.traffic, `${bytes(data.in_bps)} / ${bytes(data.out_bps)}`);
    const hour = table.details.history.get(data.name);
    this.drawing("past", `${hour?.asked}`, () => {
      const series = hour?.series;
      return [spark(series?.connections_per_second, "connections a second", short), spark(series?.live_weight, "live weight", whole, "steps")];
    });
    setText(this.cells.why, told(row.pool, row.count));
    this.cells.why.title = this.cells.why.textContent;
  }
}

/** What a pool is, and what is wrong with it in one line. */
function told(pool, count) {
  const { data } = pool;
  const all = pool.members;
  const up = pool.servers.filter((row) => row[2] === "up" && !row[8].includes("s")).length;
  const words = [`${whole(up)} of ${whole(all)} up`];
  if (!data.quorum.met) words.push(`below quorum ${data.quorum.up}`);
  if (data.panic && data.state === "panic") words.push(`panic floor ${data.panic} %`);
  if (data.sorry) words.push("sorry server active");
  const worst = pool.problems ? server(pool.servers[pool.order[0]]) : null;
  if (worst?.reason) words.push(`${worst.name}: ${worst.reason}`);
  words.push(data.scheduler, data.method);
  if (count < all) words.push(`${whole(count)} shown`);
  return words.join(" · ");
}

class ServerRow extends Row {
  constructor() {
    super("server");
    this.marks = el("span", { class: "marks" });
    this.cells.name.append(this.title, " ", this.address);
    this.reason = el("span");
    this.took = el("small");
    this.cells.why.append(this.marks, this.reason, " ", this.took);
  }

  update(row, place, height, table) {
    this.place(row, place, height, table);
    const one = server(row.pool.servers[row.index]);
    const live = table.details.row(row.pool, row.index);
    setText(this.title, one.name);
    setText(this.address, one.address === one.name ? "" : one.address);
    this.cells.name.title = one.address === one.name ? one.name : `${one.name} · ${one.address}`;
    this.tell(stateOf(one, live?.recent));
    setText(this.marks, marks(one));
    this.marks.hidden = this.marks.textContent === "";
    setAge(this.since, one.since);
    this.drawing("weight", `${one.configured}/${one.effective}/${one.kernel}`, () => [
      bar(one.kernel ?? 0, Math.max(one.configured, one.kernel ?? 0), one.kernel ? "good" : "bad"),
      el("span", { title: chainTitle(one) }, chain(one)),
    ]);
    setText(this.cells.connections, live ? `${short(live.active)} / ${short(live.inactive)}` : "");
    setText(this.cells.rate, live ? short(live.cps) : "");
    const [part, of] = share(live, row.pool.data);
    this.drawing("share", `${part}/${of}`, () => (of > 0 ? [bar(part, of, "share"), el("span", {}, `${Math.round((part / of) * 100)} %`)] : []));
    setText(this.cells.traffic, live ? `${bytes(live.in)} / ${bytes(live.out)}` : "");
    this.drawing("past", `${live?.recent}`, () => (live ? [strip(live.recent)] : []));
    const said = one.reason || live?.reason || "";
    setText(this.reason, said);
    setText(this.took, milliseconds(live?.seconds));
    this.cells.why.title = said;
  }
}

/** The weight, from the file to the kernel; one number where nothing changed it on its way. */
export function chain({ configured, effective, kernel }) {
  if (configured === effective && effective === kernel) return `${configured}`;
  const shown = (weight) => (weight === null ? "no row" : `${weight}`);
  return effective === kernel ? `${configured} → ${shown(effective)}` : `${configured} → ${shown(effective)} → ${shown(kernel)}`;
}

function chainTitle({ configured, effective, kernel }) {
  const shown = (weight) => (weight === null ? "no row" : `weight ${weight}`);
  return `configured ${configured}, wanted ${shown(effective)}, in the kernel ${shown(kernel)}`;
}

/** The share of new connections, or of open ones where no new ones come. */
function share(live, pool) {
  if (!live) return [0, 0];
  return pool.cps > 0 ? [Math.min(live.cps, pool.cps), pool.cps] : [Math.min(live.active, pool.active), pool.active];
}

function marks(one) {
  return [one.sorry && "sorry server", one.overridden && "overridden", one.added && "added", one.warns && "warning", one.unsent && "not probed"]
    .filter(Boolean).join(", ");
}
