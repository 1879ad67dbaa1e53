// The page: takes over from the first view that the director drew, and keeps itself true from then on.

import { ago, at, el, setText, tick, whole } from "./draw.js";
import { Drawer } from "./drawer.js";
import { Headline } from "./headline.js";
import { Details, Live } from "./live.js";
import { Model } from "./model.js";
import { Table } from "./table.js";

const KEYS = [
  ["/", "filter"], ["j or ↓", "next row"], ["k or ↑", "row before"], ["Home, End, Page Up, Page Down", "further"],
  ["Enter", "open what is known of a server"], ["→ and ←, or Space", "show and hide a virtual server's real servers"],
  ["p", "problems only"], ["Escape", "close, then clear the filter"], ["?", "this help"],
];

class Page {
  constructor() {
    this.model = new Model();
    this.details = new Details(this.model, () => this.drawn());
    this.headline = new Headline(this.model, { filtered: (word) => this.filtered(word) });
    this.table = new Table(this.model, this.details, { opened: (row) => this.open(row), toggled: (row) => this.toggle(row) });
    this.drawer = new Drawer(this.model, this.details, { closed: () => this.closed() });
    this.live = new Live(this.model, { told: () => this.soon(), lost: (why) => this.lost(why), found: () => this.found() });
    this.lostWhy = null;
    this.waiting = 0;
    this.ready = false;
    this.build();
    this.read();
    addEventListener("popstate", () => this.read(true));
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("offline", () => this.live.cut("this computer is offline"));
    addEventListener("online", () => this.live.wake?.());
    document.addEventListener("visibilitychange", () => this.second());
    setInterval(() => this.second(), 1000);
  }

  build() {
    this.input = el("input", { type: "search", id: "filter", name: "filter", placeholder: "name, address, state, reason", autocomplete: "off", spellcheck: "false", "aria-keyshortcuts": "/" });
    this.input.addEventListener("input", () => this.chosen());
    this.only = el("input", { type: "checkbox", id: "problems", name: "problems", value: "1", "aria-keyshortcuts": "p" });
    this.only.addEventListener("change", () => this.chosen());
    this.shown = el("output", { class: "shown", for: "filter problems" });
    this.status = el("span", { class: "live", "data-live": "no" }, "connecting");
    const form = el("form", { class: "filter", role: "search", onsubmit: (event) => event.preventDefault() },
      el("label", { for: "filter" }, "Filter"), this.input, el("label", { class: "toggle", for: "problems" }, this.only, " problems only"), this.shown,
      el("button", { type: "button", class: "help-button", "aria-label": "Keys (?)", onclick: () => this.help.showModal() }, "?"));
    this.banner = el("div", { class: "banner", role: "alert", hidden: true });
    this.empty = el("p", { class: "empty", hidden: true });
    this.help = el("dialog", { class: "help", "aria-labelledby": "help-title" }, el("h2", { id: "help-title" }, "Keys"),
      el("dl", {}, KEYS.flatMap(([keys, what]) => [el("dt", {}, keys), el("dd", {}, what)])),
      el("form", { method: "dialog" }, el("button", {}, "Close")));
    this.header = el("header", { class: "live-page" }, this.headline.element, form, this.headline.says);
    this.main = el("main", { class: "live-page", id: "content", tabindex: -1 }, this.headline.ownSection, this.headline.vrrpSection, this.table.element, this.empty);
    this.footer = el("footer", { class: "live-page" }, this.status, " · ",
      el("a", { href: "api/v1/status" }, "status"), " · ", el("a", { href: "api/v1/events" }, "events"), " · ", el("a", { href: "metrics" }, "metrics"));
  }

  /** Put the page in the place of the first view. */
  take() {
    for (const each of [...document.body.children]) if (!each.matches("script, .skip")) each.remove();
    document.body.append(this.banner, this.header, this.main, this.drawer.element, this.footer, this.help);
    document.documentElement.classList.add("scripted");
    document.querySelector(".skip")?.setAttribute("href", "#content");
    this.ready = true;
  }

  read(anew = false) {
    const query = new URLSearchParams(location.search);
    this.input.value = query.get("filter") ?? "";
    this.only.checked = query.get("problems") === "1";
    this.wanted = query.get("open");
    this.model.filter = this.input.value;
    this.model.onlyProblems = this.only.checked;
    if (anew) {
      if (!this.wanted) this.drawer.close();
      this.changed();
    }
  }

  /** Keep the filter and what is open in the address, so that it can be sent to somebody. */
  write() {
    const query = new URLSearchParams();
    if (this.model.filter) query.set("filter", this.model.filter);
    if (this.model.onlyProblems) query.set("problems", "1");
    const open = this.drawer.open?.key ?? this.wanted;
    if (open) query.set("open", open);
    const text = query.toString();
    clearTimeout(this.writing);
    try {
      history.replaceState(null, "", text ? `?${text}` : location.pathname);
    } catch {
      // A browser lets the address be changed so many times in some seconds only, and a key may be held down.
      this.writing = setTimeout(() => this.write(), 1000);
    }
  }

  chosen() {
    this.model.filter = this.input.value;
    this.model.onlyProblems = this.only.checked;
    this.model.toggled.clear();
    this.table.lastPlace = 0;
    this.changed();
    this.write();
  }

  filtered(word) {
    this.input.value = this.input.value.trim() === word ? "" : word;
    this.chosen();
  }

  soon() {
    if (this.waiting) return;
    // A page in the background has no frames, and is not to fall behind.
    this.waiting = document.hidden ? setTimeout(() => this.changed(), 0) : requestAnimationFrame(() => this.changed());
  }

  changed() {
    this.waiting = 0;
    if (this.model.id === 0) return;
    this.model.arrange();
    if (!this.ready) this.take();
    this.headline.changed(this.lostWhy !== null);
    this.table.arranged();
    const { shown, total, pools } = this.model;
    setText(this.shown, shown === total ? `${whole(total)} real servers` : `${whole(shown)} of ${whole(total)} real servers`);
    this.empty.hidden = this.model.rows.length > 0;
    setText(this.empty, pools.length === 0 ? "There are no virtual servers in the configuration." : this.model.onlyProblems ? "No problem here." : "No server matches the filter.");
    if (this.wanted) {
      // What the address names may be there only in a moment, as when the director has just started.
      const found = this.model.find(this.wanted);
      if (found !== null) this.open(found);
    } else this.drawer.changed();
    if (!this.painted) requestAnimationFrame(() => setTimeout(() => performance.mark("rows-drawn"), 0));
    this.painted = true;
  }

  /** The numbers of what is on the screen have come. */
  drawn() {
    this.table.soon();
    this.drawer.changed();
  }

  open(row) {
    this.wanted = null;
    this.drawer.show({ pool: row.pool, index: row.index });
    this.write();
  }

  closed() {
    this.write();
    this.table.move(0);
  }

  toggle(row, open = !row.open) {
    if (row.index !== null || row.open === open) return;
    this.model.toggled.set(row.pool.name, open);
    this.changed();
  }

  lost(why) {
    if (this.lostWhy === why) return;
    this.lostWhy = why;
    document.documentElement.classList.add("stale");
    this.say();
    if (this.ready) this.headline.changed(true);
  }

  found() {
    this.status.dataset.live = "yes";
    setText(this.status, "live");
    if (this.lostWhy === null) return;
    this.lostWhy = null;
    document.documentElement.classList.remove("stale");
    this.banner.hidden = true;
    this.banner.replaceChildren();
    if (this.ready) this.headline.changed(false);
    this.details.refresh(this.table.visible ?? [], true);
  }

  say() {
    if (this.lostWhy === null) return;
    this.status.dataset.live = "no";
    setText(this.status, "not live");
    const since = this.live.last / 1000;
    if (this.banner.hidden || this.banner.dataset.why !== this.lostWhy) {
      this.banner.dataset.why = this.lostWhy;
      this.old = el("span", { "aria-hidden": "true" });
      this.banner.replaceChildren(el("strong", {}, "⚠ Connection lost"), ` (${this.lostWhy}). What you see is of ${at(since)}`, this.old, ".");
      this.banner.hidden = false;
      if (!this.ready) document.body.prepend(this.banner);
    }
    setText(this.old, `, ${ago(Date.now() / 1000 - since)} old`);
  }

  /** The page's one timer. */
  second() {
    this.live.tick();
    if (this.lostWhy !== null) this.say();
    if (document.hidden || !this.ready) return;
    tick(document.body);
    if (this.table.visible && this.lostWhy === null) this.details.refresh(this.table.visible);
    if (this.lostWhy === null) this.drawer.changed();
  }

  key(event) {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || !this.ready || this.help.open) return;
    const typing = event.target.matches("input[type=search], textarea");
    if (event.key === "Escape") return this.escape(event, typing);
    if (typing) {
      if (event.key !== "Enter" && event.key !== "ArrowDown") return;
      event.preventDefault();
      this.table.begun = false;
      this.table.move(0);
      return;
    }
    const inRows = this.table.rows.contains(event.target);
    const free = inRows || event.target === document.body || event.target === this.main || this.drawer.title === event.target;
    const screen = Math.max(1, Math.floor(innerHeight / this.table.height) - 4);
    const moves = { j: 1, k: -1 };
    if (free) Object.assign(moves, { ArrowDown: 1, ArrowUp: -1 });
    if (inRows) Object.assign(moves, { PageDown: screen, PageUp: -screen, Home: -Infinity, End: Infinity });
    if (event.key in moves) this.go(moves[event.key]);
    else if (event.key === "/") {
      this.input.focus();
      this.input.select();
    } else if (event.key === "p") this.only.click();
    else if (event.key === "?") this.help.showModal();
    else if (!inRows || !this.rowKey(event.key)) return;
    event.preventDefault();
  }

  rowKey(key) {
    const row = this.table.currentRow();
    if (row === null) return false;
    if (key === "Enter") this.open(row);
    else if (key === " ") row.index === null ? this.toggle(row) : this.open(row);
    else if (key === "ArrowRight") row.index === null && !row.open ? this.toggle(row, true) : this.go(row.index === null ? 1 : 0);
    else if (key === "ArrowLeft") row.index !== null ? this.table.go(row.pool.name) : this.toggle(row, false);
    else return false;
    return true;
  }

  /** Go to another row; what is open follows. */
  go(by) {
    const inDrawer = this.drawer.element.contains(document.activeElement);
    const row = this.table.move(by, !inDrawer);
    if (row === null || this.drawer.open === null) return;
    this.drawer.show({ pool: row.pool, index: row.index }, inDrawer);
    this.write();
  }

  escape(event, typing) {
    if (this.drawer.open !== null) this.drawer.close();
    else if (this.model.filter || this.model.onlyProblems) {
      this.input.value = "";
      this.only.checked = false;
      this.chosen();
    } else if (typing) this.input.blur();
    else return;
    event.preventDefault();
  }
}

const page = new Page();
page.live.run();
