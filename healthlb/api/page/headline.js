// What the page says first: is anything wrong, where, since when, why, and what is this director's role?

import { age, el, setText, visible, whole } from "./draw.js";

const LEVELS = {
  ok: { symbol: "✔", words: "All is well", colour: "#1a7f37", shape: "M5 17l7 7L27 9" },
  warning: { symbol: "◆", words: "", colour: "#b35900", shape: "M16 7v11M16 22v3" },
  bad: { symbol: "✖", words: "", colour: "#c41e2a", shape: "M9 9l14 14M23 9L9 23" },
  lost: { symbol: "⏻", words: "Connection lost", colour: "#57606a", shape: "M8 16h16" },
};
const POOLS = ["down", "panic", "degraded", "up"];
const SERVERS = ["down", "unknown", "drained", "up"];
const VRRP = ["Instance", "State", "For", "Priority", "Interface", "Master", "Addresses", "Notes"];
const STATES = { MASTER: "up", BACKUP: "backup", FAULT: "down" };

export class Headline {
  /** `filtered` is called with the words that the reader wants to see only. */
  constructor(model, { filtered }) {
    this.model = model;
    this.symbol = el("span", { class: "symbol", "aria-hidden": "true" });
    this.words = el("span");
    this.title = el("h1", { class: "headline" }, this.symbol, this.words);
    this.director = el("p", { class: "director" });
    const counter = (what, states) => {
      const chips = new Map(states.map((state) => {
        const number = el("b", {}, "0");
        return [state, { number, chip: el("button", { type: "button", class: "count", "data-kind": state, onclick: () => filtered(state) }, number, ` ${state}`) }];
      }));
      return { chips, element: el("div", { class: "counts", role: "group", "aria-label": what }, el("span", { class: "what" }, what), [...chips.values()].map(({ chip }) => chip)) };
    };
    this.pools = counter("Virtual servers", POOLS);
    this.servers = counter("Real servers", SERVERS);
    this.own = el("ul", { class: "problems" });
    this.ownSection = el("section", { class: "own", "aria-labelledby": "own-title", hidden: true }, el("h2", { id: "own-title" }, "The director itself"), this.own);
    this.vrrp = el("tbody");
    this.vrrpSection = el("section", { class: "own vrrp", "aria-labelledby": "vrrp-title", hidden: true }, el("h2", { id: "vrrp-title" }, "VRRP"),
      el("div", { class: "scroll", role: "region", "aria-label": "VRRP instances", tabindex: 0 },
        el("table", {}, el("thead", {}, el("tr", {}, VRRP.map((each) => el("th", { scope: "col" }, each)))), this.vrrp)));
    this.element = el("div", { class: "top" }, el("div", { class: "titles" }, this.title, this.director),
      el("div", { class: "all-counts" }, this.pools.element, this.servers.element));
    this.says = el("p", { class: "hidden", role: "status" });
  }

  changed(lost) {
    const { headline, director, counts } = this.model;
    const level = LEVELS[headline.level] ?? LEVELS.warning;
    document.documentElement.dataset.level = headline.level;
    setText(this.symbol, level.symbol);
    const words = headline.problems === 0 ? LEVELS.ok.words : headline.problems === 1 ? "1 problem" : `${whole(headline.problems)} problems`;
    setText(this.words, words);
    const where = this.where();
    const spoken = `${words}${where}`;
    setText(this.says, spoken);
    document.title = visible(lost ? `connection lost · ${director.name} · healthlb` : headline.title);
    icon(lost ? "lost" : headline.level);
    this.tell(director);
    count(this.pools, counts.virtual_servers);
    count(this.servers, counts.real_servers);
    this.problems(director);
    this.instances(director.vrrp ?? []);
  }

  where() {
    const first = this.model.pools.filter((pool) => pool.rank > 0).sort((one, other) => other.rank - one.rank)[0];
    return first === undefined ? "" : `, first of all ${first.name}: ${first.data.state}`;
  }

  tell(director) {
    const shown = JSON.stringify([director.name, director.version, director.started_at, director.in_sync, director.ready, director.role, director.backend,
      director.overrides, director.last_resync_at, director.probes]);
    if (this.told === shown) return;
    this.told = shown;
    const words = [
      [el("b", {}, director.name)],
      [director.role ? `role ${director.role}` : "no VRRP"],
      [director.in_sync ? `${director.backend} table in sync` : el("strong", {}, `${director.backend} table not in sync`),
        ...(director.last_resync_at ? [", read ", age(director.last_resync_at), " ago"] : [])],
      ...(director.ready ? [] : [[el("strong", {}, "not ready yet")]]),
      [`${whole(director.probes ?? 0)} probes`],
      ...(director.overrides ? [[`${whole(director.overrides)} operators' overrides`]] : []),
      [`healthlb ${director.version}, up `, age(director.started_at)],
    ];
    this.director.replaceChildren(...words.flatMap((each, index) => (index ? [" · ", ...each] : each)).map((each) => (each instanceof Node ? each : visible(each))));
  }

  instances(instances) {
    const shown = JSON.stringify(instances);
    if (this.drawn === shown) return;
    this.drawn = shown;
    this.vrrpSection.hidden = instances.length === 0;
    this.vrrp.replaceChildren(...instances.map((one) => {
      const kind = STATES[one.state] ?? "unknown";
      const priority = one.effective === one.priority ? whole(one.priority) : `${whole(one.effective)} of ${whole(one.priority)}`;
      const cells = [el("span", { class: `state ${kind}` }, one.state), age(one.since), priority, `${one.interface} (${one.router_id})`,
        one.state === "MASTER" ? "this director" : one.master ?? "none known", one.addresses.join(", "), [...(one.trouble ? [one.trouble] : []), ...one.notes].join("; ")];
      return el("tr", {}, el("th", { scope: "row" }, one.name), cells.map((cell) => el("td", {}, cell)));
    }));
  }

  problems(director) {
    const problems = [...(director.problems ?? []).map((each) => ["bad", "✖", each]), ...(director.warnings ?? []).map((each) => ["warning", "◆", each])];
    const shown = JSON.stringify(problems);
    if (this.shown === shown) return;
    this.shown = shown;
    this.ownSection.hidden = problems.length === 0;
    this.own.replaceChildren(...problems.map(([kind, symbol, words]) => el("li", { "data-kind": kind }, el("span", { class: "symbol", "aria-hidden": "true" }, symbol), el("span", {}, words))));
  }
}

function count({ chips }, numbers) {
  for (const [state, { number, chip }] of chips) {
    setText(number, whole(numbers[state] ?? 0));
    chip.classList.toggle("none", !numbers[state]);
  }
}

/** The state as the page's icon, told by its shape as well as by its colour. */
function icon(name) {
  const { colour, shape } = LEVELS[name] ?? LEVELS.warning;
  let link = document.querySelector('link[rel="icon"]');
  if (link?.dataset.level === name) return;
  link?.remove();
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="${colour}"/>` +
    `<path d="${shape}" fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>`;
  link = el("link", { rel: "icon", type: "image/svg+xml", "data-level": name, href: `data:image/svg+xml,${encodeURIComponent(drawing)}` });
  document.head.append(link);
}
