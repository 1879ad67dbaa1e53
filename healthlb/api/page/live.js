// How the page is kept current: one stream of differences, and small questions about the rows that are on the screen.

import { server } from "./model.js";

const SILENCE = 15_000; // milliseconds without a word, not even ": alive", after which the connection counts as lost
const RETRY = [500, 1000, 2000, 5000];

export class Live {
  /** `model` is kept current; `told` is called after each change, `lost` with what is wrong, `found` when all is well. */
  constructor(model, { told, lost, found }) {
    Object.assign(this, { model, told, lost, found });
    this.heard = performance.now();
    this.last = Date.now();
    this.connected = false;
    this.failures = 0;
    this.abort = null;
  }

  /** Go on for ever: overview, stream, and both again whenever the stream ends. */
  async run() {
    let fresh = false;
    for (;;) {
      try {
        if (!fresh) await this.overview();
        fresh = true;
        fresh = await this.follow();
        if (fresh) throw new Error("the director ended the stream");
        if (performance.now() - this.began < 1000) await this.pause();
      } catch (error) {
        this.connected = false;
        // Where there is no room for another stream the page is kept as true as asking again and again keeps it.
        if (error.refused) fresh = false;
        this.lost(error.name === "AbortError" ? (this.why ?? "nothing was heard for 15 s") : error.message);
        this.why = null;
        // The overview is small news after a restart and the whole truth after a long pause; the stream alone is enough
        // where the director still knows what came after our last difference, and it says "reset" where it does not.
        await this.pause();
      }
    }
  }

  async overview() {
    this.model.load(JSON.parse(await this.whole(await this.ask("api/v1/overview"))));
    this.last = Date.now();
    this.told();
  }

  /** Read a body to its end; one that comes slowly is heard of all the same. */
  async whole(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const pieces = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return pieces.join("");
      this.heard = performance.now();
      pieces.push(value);
    }
  }

  /** Follow the stream; return false where the overview is needed anew, true where the stream just ended. */
  async follow() {
    const answer = await this.ask(`api/v1/live?after=${this.model.id}`, { Accept: "text/event-stream" }, true);
    this.connected = true;
    this.began = performance.now();
    this.failures = 0;
    this.found();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let waiting = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      this.heard = performance.now();
      this.last = Date.now();
      waiting += value;
      let end;
      while ((end = waiting.indexOf("\n\n")) >= 0) {
        const event = parsed(waiting.slice(0, end));
        waiting = waiting.slice(end + 2);
        if (event.name === "reset" || (event.name === "change" && !this.model.apply(JSON.parse(event.data)))) {
          await reader.cancel();
          return false;
        }
        if (event.name === "change") this.told();
      }
    }
  }

  /** Ask the director; the answer must begin within the time that silence may last. */
  async ask(path, headers = { Accept: "application/json" }, lasting = false) {
    const abort = new AbortController();
    this.abort = abort;
    this.heard = performance.now();
    const answer = await fetch(path, { headers, signal: abort.signal, cache: lasting ? "no-store" : "default" }).catch((error) => {
      throw error.name === "AbortError" ? error : new Error("the director does not answer");
    });
    if (!answer.ok) {
      const told = await answer.json().catch(() => ({}));
      throw Object.assign(new Error(told.error ?? `the director answers with status ${answer.status}`), { refused: true });
    }
    return answer;
  }

  pause() {
    const most = RETRY[Math.min(this.failures, RETRY.length - 1)];
    this.failures += 1;
    this.heard = performance.now();
    return new Promise((resolve) => {
      this.wake = resolve;
      setTimeout(resolve, most * (0.75 + Math.random() / 2));
    });
  }

  /** The page's one timer calls this; a stream that has gone silent is given up. */
  tick() {
    if (this.abort !== null && performance.now() - this.heard > SILENCE) this.cut("nothing was heard for 15 s");
  }

  cut(why) {
    this.why = why;
    this.heard = performance.now();
    this.abort?.abort();
  }
}

/** Take one event of a stream apart (HTML Living Standard, section 9.2.6). */
function parsed(block) {
  const event = { name: "message", data: "", id: "" };
  const data = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
  }
  event.data = data.join("\n");
  return event;
}

const FRESH = 2000;
const STEP = 30_000;
const SPAN = 60;
const AT_ONCE = 6; // questions about rows that are asked every 2 s; more are asked less often

/** What changes with every probe and every connection, asked only for what is on the screen. */
export class Details {
  constructor(model, told) {
    Object.assign(this, { model, told });
    this.rows = new Map();
    this.history = new Map();
    this.busy = false;
    this.asked = 0;
    this.period = FRESH;
    this.known = "";
  }

  /** What was seen of a server; where the one at its place was another one then, nothing is known of it yet. */
  row(pool, index) {
    const known = this.rows.get(`${pool.name}\n${index}`);
    return known?.name === server(pool.servers[index]).name ? known : undefined;
  }

  /** Ask for what is visible, where what is known is older than 2 s, or the screen shows something else. */
  async refresh(visible, force = false) {
    const now = performance.now();
    const seen = visible.map((each) => each.key).join("\n");
    const moved = seen !== this.known && now - this.asked > 150;
    if (this.busy || document.hidden || (!force && !moved && now - this.asked < this.period)) return;
    this.busy = true;
    this.asked = now;
    this.known = seen;
    try {
      if (this.generation !== this.model.generation) {
        this.rows.clear();
        this.generation = this.model.generation;
      }
      const asked = questions(visible);
      this.period = FRESH * Math.max(1, asked.length / AT_ONCE);
      for (const question of asked) await this.ask(question);
      await this.hours(visible);
      const keep = new Set(visible.map((each) => each.key));
      if (this.rows.size > 1000) for (const key of this.rows.keys()) if (!keep.has(key)) this.rows.delete(key);
    } catch {
      // The stream says what is wrong; the next tick asks again.
    } finally {
      this.busy = false;
    }
    this.told();
  }

  async ask({ pool, from, count }) {
    const query = new URLSearchParams({ virtual_server: pool.name, from, count });
    const answer = await fetch(`api/v1/rows?${query}`, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) return;
    const told = await answer.json();
    if (told.generation !== this.model.generation) return;
    told.rows.forEach(([recent, seconds, reason, active, inactive, cps, inBytes, outBytes, at, name], offset) => {
      this.rows.set(`${pool.name}\n${from + offset}`, { recent, seconds, reason, active, inactive, cps, in: inBytes, out: outBytes, at, name });
    });
  }

  async hours(visible) {
    if (this.unkept === this.model.generation) return;
    const now = performance.now();
    const wanted = [...new Set(visible.map((each) => each.pool.name))].filter((name) => !(now - (this.history.get(name)?.asked ?? -Infinity) < STEP));
    for (let from = 0; from < wanted.length; from += 40) {
      const names = wanted.slice(from, from + 40);
      const query = new URLSearchParams(names.map((name) => ["virtual_server", name]));
      const answer = await fetch(`api/v1/history?${query}`, { signal: AbortSignal.timeout(10_000) });
      if (answer.status === 404) this.unkept = this.model.generation;
      const told = answer.ok ? (await answer.json()).virtual_servers : {};
      for (const name of names) this.history.set(name, { asked: now, series: told[name] ?? null });
    }
    if (this.history.size > 2000) for (const name of this.history.keys()) if (!this.model.byName.has(name)) this.history.delete(name);
  }
}

/** Put the visible places of each pool together into as few questions as cover them. */
function questions(visible) {
  const places = new Map();
  for (const { pool, index } of visible) {
    if (index === null) continue;
    if (!places.has(pool)) places.set(pool, []);
    places.get(pool).push(index);
  }
  const found = [];
  for (const [pool, indexes] of places) {
    indexes.sort((one, other) => one - other);
    let from = indexes[0];
    let to = from;
    for (const index of indexes) {
      if (index - from >= SPAN || index - to > 10) {
        found.push({ pool, from, count: to - from + 1 });
        from = index;
      }
      to = index;
    }
    found.push({ pool, from, count: to - from + 1 });
  }
  return found;
}
