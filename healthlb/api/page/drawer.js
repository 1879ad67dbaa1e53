// What is known of one server: why it has its weight, what its checks saw, and what has happened to it.

import { age, ago, at, bytes, clock, el, milliseconds, setText, short, spark, strip, visible, whole } from "./draw.js";
import { poolState, server, stateOf } from "./model.js";

const EVENTS = 50;
/** What is shown of a virtual server that the overview does not have. */
const FACTS = "address,protocol,scheduler,scheduler_flags,method,persistence,quorum,panic,connections,leaving,sorry_server_active,sorry_servers.name";
const LEVELS = { info: ["good", "·"], warning: ["warning", "◆"], error: ["bad", "✖"] };

export class Drawer {
  constructor(model, details, { closed }) {
    Object.assign(this, { model, details, closed });
    this.open = null;
    this.asked = 0;
    this.title = el("h2", { id: "drawer-title", tabindex: -1 });
    this.state = el("p", { class: "drawer-state" });
    this.button = el("button", { type: "button", class: "close", "aria-label": "Close (Escape)", onclick: () => this.close() }, "✕");
    this.weight = el("section", { "aria-label": "Weight" });
    this.checks = el("section", { "aria-label": "Checks" });
    this.events = el("section", { "aria-label": "What has happened" });
    this.body = el("div", { class: "drawer-body", tabindex: 0, role: "group", "aria-label": "Details" }, this.weight, this.checks, this.events);
    this.element = el("section", { class: "drawer", id: "drawer", role: "dialog", "aria-labelledby": "drawer-title", hidden: true },
      el("div", { class: "drawer-head" }, el("div", {}, this.title, this.state), this.button), this.body);
  }

  /** Show a pool, or one of its servers. */
  show({ pool, index }, focus = true) {
    const key = index === null ? pool.name : `${pool.name}/${server(pool.servers[index]).name}`;
    if (this.open?.key !== key) {
      for (const each of [this.weight, this.checks, this.events]) each.replaceChildren();
      this.checks.append(el("p", { class: "loading" }, "Asking the director…"));
      this.drawn = {};
      this.asked = 0;
      this.body.scrollTop = 0;
    }
    this.open = { key, pool: pool.name, name: index === null ? null : server(pool.servers[index]).name };
    this.element.hidden = false;
    document.documentElement.classList.add("opened");
    this.changed();
    if (focus) this.title.focus({ preventScroll: true });
  }

  close() {
    if (this.open === null) return;
    this.open = null;
    this.element.hidden = true;
    document.documentElement.classList.remove("opened");
    this.closed();
  }

  /** The model has changed: draw what it knows, and ask for the rest. */
  changed() {
    if (this.open === null) return;
    const found = this.model.find(this.open.key);
    if (found === null) {
      setText(this.title, this.open.key);
      setText(this.state, "is not in the configuration any more");
      this.drawn.head = null;
      return;
    }
    this.found = found;
    const { pool, index } = found;
    if (index === null) {
      this.head(pool.name, poolState(pool.data.state), `${pool.data.protocol} ${pool.data.address}`, pool.data.since);
      this.pool(pool);
    } else {
      const one = server(pool.servers[index]);
      const live = this.details.row(pool, index);
      this.head(one.name, stateOf(one, live?.recent), `of ${pool.name}`, one.since, one.reason);
    }
    this.refresh();
  }

  head(name, { kind, symbol, words }, place, since, reason = "") {
    setText(this.title, name);
    this.element.dataset.kind = kind;
    const shown = [symbol, words, place, since, reason].join("\n");
    if (this.drawn.head === shown) return;
    this.drawn.head = shown;
    this.state.replaceChildren(el("span", { class: "state" }, el("span", { class: "symbol", "aria-hidden": "true" }, symbol), el("span", {}, words)), ` ${visible(place)}`);
    if (since !== null) this.state.append(" for ", age(since));
    if (reason) this.state.append(el("span", { class: "reason" }, reason));
  }

  /** Ask for what the overview does not have: a server every 3 s while it is open, and whatever it is when it changes. */
  async refresh() {
    const { open, found: { pool, index } } = this;
    const { state, live, configured, sorry } = pool.data;
    const seen = JSON.stringify(index === null ? [state, live, configured, sorry] : pool.servers[index]);
    const due = performance.now() - this.asked > (index === null ? 30_000 : 3000) || this.seen !== seen;
    if (this.busy || !due || document.hidden) return;
    this.busy = true;
    this.asked = performance.now();
    this.seen = seen;
    try {
      const query = new URLSearchParams({ virtual_server: open.pool, limit: EVENTS });
      if (index !== null) query.set("real_server", open.name);
      const only = new URLSearchParams({ virtual_server: open.pool, real_server: open.name ?? "" });
      const [known, told] = await Promise.all([
        json(index === null ? `api/v1/virtual_servers/${encodeURIComponent(open.pool)}?fields=${FACTS}` : `api/v1/rows?${only}`),
        json(`api/v1/events?${query}`).catch(() => ({})),
      ]);
      if (this.open?.key !== open.key) return;
      if (index === null) this.facts(known);
      else if (known.real_servers.length > 0) this.server(known.real_servers[0]);
      this.timeline(told.events);
    } catch (error) {
      if (this.open?.key === open.key && this.drawn.checks === undefined) {
        this.checks.replaceChildren(el("p", { class: "loading" }, `The director did not say: ${error.message}`));
      }
    } finally {
      this.busy = false;
      if (this.open !== null && this.open.key !== open.key) this.changed();
    }
  }

  /** Draw a section where what it shows differs from what is there; what the reader opened or selected there stays. */
  section(section, shown, make) {
    const text = JSON.stringify(shown);
    const place = this[section];
    const selection = getSelection();
    if (this.drawn[section] === text || (selection.toString() && place.contains(selection.anchorNode))) return;
    const first = this.drawn[section] === undefined;
    this.drawn[section] = text;
    const open = new Map([...place.querySelectorAll("details")].map((each) => [each.dataset.key, each.open]));
    const held = place.contains(document.activeElement) ? named(document.activeElement) : null;
    place.replaceChildren(...make().filter(Boolean));
    if (!first) for (const each of place.querySelectorAll("details")) each.open = open.get(each.dataset.key) ?? each.open;
    if (held !== null) [...place.querySelectorAll("summary, pre")].find((each) => named(each) === held)?.focus({ preventScroll: true });
  }

  server(one) {
    const { weight, connections, rates } = one;
    this.section("weight", [weight, connections, rates, one.overrides, one.held_until, one.ramp], () => [
      el("h3", {}, "Weight"),
      el("ol", { class: "chain" }, words(weight).map((each) => el("li", {}, each))),
      one.held_until ? el("p", {}, "Held down for flapping until ", at(one.held_until), ".") : null,
      ...(one.overrides ?? []).map((each) => el("p", {}, orderOf(each))),
      el("p", { class: "numbers" }, `${short(connections.active)} active and ${short(connections.inactive)} inactive connections, ` +
        `${short(rates.connections_per_second)} new a second, ${bytes(rates.in_bytes_per_second)}/s in, ${bytes(rates.out_bytes_per_second)}/s out`),
    ]);
    this.section("checks", one.checks, () => [el("h3", {}, "Checks"), ...one.checks.map(check), one.checks.length ? null : el("p", {}, "No check: it counts as up.")]);
    for (const time of this.checks.querySelectorAll("time[data-since]")) setText(time, ago(clock.now() - Number(time.dataset.since)));
  }

  pool(pool) {
    const hour = this.details.history.get(pool.name);
    const sampled = hour?.series?.live_weight?.some((each) => each !== null);
    this.section("weight", [pool.name, hour?.asked], () => [
      el("h3", {}, "The last hour"),
      ...(sampled ? [] : [el("p", {}, "No samples yet: one is taken every 30 s.")]),
      ...[["connections_per_second", "New connections a second", short, "area"], ["active", "Active connections", short, "area"],
        ["live_weight", "Live weight", whole, "steps"], ["in_bytes_per_second", "In, a second", bytes, "area"], ["out_bytes_per_second", "Out, a second", bytes, "area"]]
        .filter(() => sampled).map(([key, what, show, kind]) => lastHour(what, hour?.series?.[key], show, kind)),
    ]);
  }

  facts(pool) {
    const { quorum, persistence } = pool;
    const rows = [
      ["Address", `${pool.protocol} ${pool.address}`], ["Scheduler", [pool.scheduler, ...(pool.scheduler_flags ?? [])].join(" ")], ["Method", pool.method],
      ["Live weight", `${quorum.live_weight}, quorum ${quorum.up} with hysteresis ${quorum.hysteresis}: ${quorum.met ? "met" : "not met"}`],
      ["Panic floor", pool.panic ? `${pool.panic} % of the configured weight` : "none"],
      ["Sorry servers", pool.sorry_servers.length ? `${pool.sorry_servers.map((each) => each.name).join(", ")}: ${pool.sorry_server_active ? "active" : "stand by"}` : "none"],
      ["Persistence", persistence ? `${persistence.timeout} s` : "off"],
      ["Connections", `${short(pool.connections.active)} active, ${short(pool.connections.inactive)} inactive`],
      ...(pool.leaving.length ? [["Leaving", pool.leaving.map((each) => `${each.address} until ${at(each.until)}`).join(", ")]] : []),
    ];
    this.section("checks", rows, () => [el("h3", {}, "Virtual server"), el("dl", {}, rows.flatMap(([what, is]) => [el("dt", {}, what), el("dd", {}, is)]))]);
  }

  timeline(events) {
    if (events === undefined) return this.section("events", null, () => [el("h3", {}, "What has happened"), el("p", {}, "The event journal cannot be read now.")]);
    const newest = [...events].sort((one, other) => other.id - one.id);
    this.section("events", newest, () => [el("h3", {}, "What has happened"), newest.length ? el("ol", { class: "timeline" }, newest.map(happened)) : el("p", {}, "Nothing that is still remembered.")]);
    return undefined;
  }
}

/** What tells one piece of evidence from another. */
function named(element) {
  return `${element.closest("details")?.dataset.key} ${element.getAttribute("aria-label") ?? element.tagName}`;
}

async function json(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10_000) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error ?? `status ${answer.status}`);
  return told;
}

function words({ configured, effective, kernel, chain }) {
  const steps = [`configured: ${configured}`, ...(chain ?? []).slice(1)];
  steps.push(`wanted in the table: ${effective === null ? "no row" : effective}`);
  steps.push(`in the kernel: ${kernel === null ? "no row" : kernel}${kernel === effective ? "" : " (differs)"}`);
  return steps;
}

function orderOf(each) {
  const until = each.expires_at ? ` until ${at(each.expires_at)}` : "";
  return `${each.what} by ${each.who}, ${at(each.at)}${until}${each.why ? `: ${each.why}` : ""}`;
}

function check(one) {
  const { last, schedule } = one;
  const { kind, symbol, words: state } = stateOf({ health: one.health, admin: "enabled" }, one.recent);
  const streak = last ? `${one.streak} ${last.passed ? "passed" : "failed"} in a row` : "";
  return el("article", { class: "check", "data-kind": kind },
    el("h4", {}, el("span", { class: "state" }, el("span", { class: "symbol", "aria-hidden": "true" }, symbol), el("span", {}, state)), ` ${one.name} `, el("small", {}, one.type)),
    last ? el("p", {}, el("b", {}, last.reason), ` ${milliseconds(last.seconds)}, `, age(last.at), " ago", streak ? `, ${streak}` : "") : el("p", {}, "No result yet."),
    one.unsent_reason ? el("p", { class: "warning" }, `Cannot be probed: ${one.unsent_reason}`) : null,
    one.warning ? el("p", { class: "warning" }, `Warning: ${one.warning}`) : null,
    strip(one.recent, true),
    schedule ? el("p", { class: "schedule" }, `every ${schedule.interval} s, timeout ${schedule.timeout} s, up after ${schedule.rise} passes, down after ${schedule.fall} failures`) : null,
    one.last_failure ? seen("Last failure", one.last_failure, one.health !== "up", `${one.name} failure`) : null,
    one.last_pass ? seen("Last pass", one.last_pass, false, `${one.name} pass`) : null);
}

function seen(what, probe, open, key) {
  return el("details", { class: "seen", "data-key": key, open },
    el("summary", {}, `${what}: `, el("b", {}, probe.reason), " ", age(probe.at), " ago"), evidence(probe.evidence));
}

/** What a probe sent, what came back, and whose certificate it was. */
function evidence(saw) {
  if (!saw) return el("p", {}, "Nothing more was seen.");
  const rows = [["Peer", saw.peer], ["Certificate", saw.certificate], ["Sent", lines(saw.sent)], ["Received", lines(saw.received)]].filter(([, text]) => text);
  if (rows.length === 0) return el("p", {}, "Nothing was sent and nothing came back.");
  return el("dl", { class: "evidence" }, rows.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, el("pre", { tabindex: 0, role: "region", "aria-label": name }, text))]));
}

/** Begin a new line after each end of line, which is shown as it was escaped. */
function lines(bytes) {
  return bytes.replace(/(?:\\r)?\\n(?=.)/g, (end) => `${end}\n`);
}

function happened(event) {
  const [kind, symbol] = LEVELS[event.level] ?? LEVELS.info;
  const { saw, evidence: brief } = event.details ?? {};
  const moment = Date.parse(event.at) / 1000;
  return el("li", { "data-kind": kind },
    el("span", { class: "symbol", role: "img", "aria-label": event.level }, symbol),
    el("div", {}, el("span", { class: "when" }, at(moment), " (", age(moment), " ago)"), el("p", {}, event.message),
      saw ? el("details", { class: "seen", "data-key": `event ${event.id}` }, el("summary", {}, "Evidence"), evidence(saw)) : brief ? el("p", { class: "brief" }, brief) : null));
}

function lastHour(what, values, show, kind) {
  const known = (values ?? []).filter((value) => value !== null);
  const says = known.length ? `now ${show(known.at(-1))}, highest ${show(Math.max(...known))}` : "no samples yet";
  return el("figure", { class: "hour" }, el("figcaption", {}, el("b", {}, what), ` ${says}`), spark(values, what, show, kind));
}
