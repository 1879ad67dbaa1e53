// What the page knows: the overview, kept current by differences, and the list of rows that filter and order make of it.

import { clock } from "./draw.js";

const NAME = 0, ADDRESS = 1, HEALTH = 2, ADMIN = 3, CONFIGURED = 4, EFFECTIVE = 5, KERNEL = 6, SINCE = 7, FLAGS = 8, REASON = 9;
const POOL_RANK = { down: 60, panic: 50, degraded: 40, up: 0 };
const OPEN_ALL = 200;

/** A real server's row by name; `recent` is known for rows that are on the screen. */
export function server(row) {
  const flags = row[FLAGS];
  return {
    name: row[NAME], address: row[ADDRESS], health: row[HEALTH], admin: row[ADMIN], configured: row[CONFIGURED],
    effective: row[EFFECTIVE], kernel: row[KERNEL], since: row[SINCE], reason: row[REASON],
    pooled: flags.includes("p"), held: flags.includes("h"), ramping: flags.includes("r"), overridden: flags.includes("o"),
    added: flags.includes("a"), warns: flags.includes("w"), unsent: flags.includes("u"), sorry: flags.includes("s"),
    problem: flags.includes("!"), warning: flags.includes("*"),
  };
}

/** How urgent a real server is: 10 and more is what the director calls a problem, 0 is one that is up and has all of its weight. */
export function urgency(row) {
  const one = server(row);
  if (one.problem) {
    if (one.pooled) return 30;
    if (one.health === "down" && one.admin === "enabled") return 28;
    if (one.held) return 26;
    if (one.kernel !== one.effective) return 24;
    return one.unsent ? 18 : 12;
  }
  if (one.warning) return one.warns ? 8 : 9;
  if (one.admin === "draining") return 5;
  if (one.admin !== "enabled") return 6;
  return one.ramping ? 4 : 0;
}

/** A server's state as a class, a symbol and words: never a colour alone. `recent` tells of one that comes back. */
export function stateOf(one, recent = "") {
  if (one.admin === "disabled") return { kind: "maintenance", symbol: "■", words: "disabled" };
  if (one.pooled) return { kind: "bad", symbol: "▲", words: "down, in the pool" };
  if (one.held) return { kind: "bad", symbol: "⏸", words: "held, flapping" };
  if (one.admin === "drained") return { kind: "drained", symbol: "◌", words: one.health === "down" ? "drained, down" : "drained" };
  if (one.admin === "draining") return { kind: "drained", symbol: "◐", words: one.health === "down" ? "draining, down" : "draining" };
  if (one.health === "down") {
    return recent.endsWith("1") ? { kind: "rising", symbol: "✖", words: "down, passing" } : { kind: "bad", symbol: "✖", words: "down" };
  }
  if (one.health === "unknown") return { kind: "unknown", symbol: "?", words: "unknown" };
  if (recent.endsWith("0")) return { kind: "falling", symbol: "✔", words: "up, failing" };
  if (one.ramping) return { kind: "rising", symbol: "✔", words: "up, slow start" };
  return { kind: "good", symbol: "✔", words: "up" };
}

const POOLS = {
  up: { kind: "good", symbol: "✔", words: "up" },
  degraded: { kind: "warning", symbol: "◆", words: "degraded" },
  panic: { kind: "bad", symbol: "▲", words: "panic" },
  down: { kind: "bad", symbol: "✖", words: "down" },
};
export const poolState = (state) => POOLS[state] ?? { kind: "unknown", symbol: "?", words: String(state) };

class Pool {
  constructor(data) {
    this.data = data;
    this.name = data.name;
    this.changed();
  }

  changed() {
    this.order = null;
    this.texts = null;
  }

  get servers() {
    return this.data.real_servers;
  }

  /** Work out what order and headline need, once for each change. */
  settle() {
    if (this.order !== null) return;
    this.urgencies = this.servers.map(urgency);
    this.problems = this.urgencies.filter((each) => each >= 10).length;
    this.members = this.servers.filter((row) => !row[FLAGS].includes("s")).length;
    this.order = this.servers.map((_, index) => index);
    this.order.sort((one, other) => this.urgencies[other] - this.urgencies[one] || one - other);
    this.rank = (POOL_RANK[this.data.state] ?? 45) + (this.problems ? 10 : 0) + (this.data.sorry ? 5 : 0);
  }

  haystacks() {
    if (this.texts === null) {
      const { name, address, protocol, scheduler, method, state } = this.data;
      this.own = `${name} ${address} ${protocol} ${scheduler} ${method} ${state}`.toLowerCase();
      this.texts = this.servers.map((row) => {
        const one = server(row);
        return `${one.name} ${one.address} ${one.health} ${one.admin} ${one.reason}`.toLowerCase();
      });
    }
    return this.texts;
  }
}

export class Model {
  constructor() {
    this.id = 0;
    this.generation = "";
    this.director = {};
    this.counts = { virtual_servers: {}, real_servers: {} };
    this.headline = { problems: 0, level: "ok", title: "" };
    this.pools = [];
    this.byName = new Map();
    this.filter = "";
    this.onlyProblems = false;
    this.toggled = new Map();
    this.rows = [];
    this.total = 0;
    this.shown = 0;
  }

  /** Take a whole overview. */
  load(overview) {
    clock.set(overview.taken_at);
    this.id = overview.id;
    this.generation = overview.generation;
    this.director = overview.director;
    this.counts = overview.counts;
    this.headline = overview.headline;
    this.pools = overview.virtual_servers.map((each) => new Pool(each));
    this.byName = new Map(this.pools.map((each) => [each.name, each]));
  }

  /** Take a difference; return false where it does not follow what is known, and nothing was changed. */
  apply(change) {
    if (change.id <= this.id) return true;
    if (change.id !== this.id + 1) return false;
    this.id = change.id;
    if (change.generation) this.generation = change.generation;
    if (change.taken_at) clock.set(change.taken_at);
    Object.assign(this.director, change.director ?? {});
    if (change.counts) this.counts = change.counts;
    if (change.headline) this.headline = change.headline;
    for (const name of change.removed ?? []) this.byName.delete(name);
    for (const [name, data] of Object.entries(change.replace ?? {})) this.byName.set(name, new Pool(data));
    if (change.removed || change.replace || change.order) {
      const order = change.order ?? [...new Set([...this.pools.map((each) => each.name), ...Object.keys(change.replace ?? {})])];
      this.pools = order.map((name) => this.byName.get(name)).filter(Boolean);
    }
    for (const [name, keys] of Object.entries(change.virtual_servers ?? {})) {
      const pool = this.byName.get(name);
      if (pool === undefined) continue;
      Object.assign(pool.data, keys);
      if ("state" in keys || "sorry" in keys || "address" in keys || "method" in keys || "scheduler" in keys) pool.changed();
    }
    for (const [name, rows] of Object.entries(change.real_servers ?? {})) {
      const pool = this.byName.get(name);
      if (pool === undefined) continue;
      for (const [index, row] of Object.entries(rows)) pool.servers[Number(index)] = row;
      pool.changed();
    }
    return true;
  }

  /** Make the list of rows anew: problems first, as the filter wants it. */
  arrange() {
    for (const pool of this.pools) pool.settle();
    const words = this.filter.toLowerCase().split(/\s+/).filter(Boolean);
    this.total = this.pools.reduce((sum, pool) => sum + pool.members, 0);
    const few = this.total + this.pools.length <= OPEN_ALL;
    const rows = [];
    this.shown = 0;
    const sorted = this.pools.map((pool, index) => [pool, index]).sort(([one, at], [other, after]) => other.rank - one.rank || at - after);
    for (const [pool] of sorted) {
      const left = words.length ? wordsLeft(pool, words) : words;
      const found = this.matching(pool, left);
      if (found === null) continue;
      const open = this.toggled.get(pool.name) ?? (few || left.length > 0 || pool.problems > 0);
      const count = found.filter((index) => !pool.servers[index][FLAGS].includes("s")).length;
      this.shown += count;
      rows.push({ key: pool.name, pool, index: null, open, count, level: 1 });
      if (open) for (const index of found) rows.push({ key: `${pool.name}\n${index}`, pool, index, level: 2 });
    }
    this.rows = rows;
  }

  /** Return the places of the servers that are wanted, null where nothing of the pool is; as document.py filters. */
  matching(pool, left) {
    let found = pool.order;
    if (this.onlyProblems) found = found.filter((index) => /[!*]/.test(pool.servers[index][FLAGS]));
    if (left.length) {
      const texts = pool.haystacks();
      found = found.filter((index) => left.every((word) => texts[index].includes(word)));
    }
    if (found.length) return found;
    return left.length === 0 && (!this.onlyProblems || pool.data.problem) ? found : null;
  }

  /** Return the pool and the place that `open=` of the address names, null where there is no such server. */
  find(open) {
    if (!open) return null;
    for (const pool of this.pools) {
      if (open === pool.name) return { pool, index: null };
      if (!open.startsWith(`${pool.name}/`)) continue;
      const name = open.slice(pool.name.length + 1);
      const index = pool.servers.findIndex((row) => row[NAME] === name || row[ADDRESS] === name);
      if (index >= 0) return { pool, index };
    }
    return null;
  }
}

/** Return the words that a pool's own text does not have. */
function wordsLeft(pool, words) {
  pool.haystacks();
  return words.filter((word) => !pool.own.includes(word));
}
