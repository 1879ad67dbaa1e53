// What all parts of the page draw with. Whatever a server, a file or an operator said becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element with attributes and children; a child that is no element becomes text. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined).map(node));
  return made;
}

function node(child) {
  return child instanceof Node ? child : document.createTextNode(visible(String(child)));
}

/** Make control characters and those that turn the direction of a line visible. */
export function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (found) =>
    `\\x${found.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Set an element's text where it differs: what did not change is neither drawn nor read aloud again. */
export function setText(element, text) {
  const shown = visible(String(text));
  if (element.textContent !== shown) element.textContent = shown;
}

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const PROBES = 60;

/** The latest probes, newest right: a pass is a low bar, a failure a high one. */
export function strip(recent, large = false) {
  const shown = (recent ?? "").slice(-PROBES);
  let passed = "";
  let failed = "";
  for (let index = 0; index < shown.length; index += 1) {
    const x = (PROBES - shown.length + index) * 2;
    if (shown[index] === "1") passed += `M${x} 9h1.5v7h-1.5z`;
    else failed += `M${x} 1h1.5v15h-1.5z`;
  }
  const bad = [...shown].filter((each) => each !== "1").length;
  const label = shown ? `${bad} of the last ${shown.length} probes failed` : "no probes yet";
  return svg("svg", { class: large ? "strip large" : "strip", viewBox: "0 0 120 17", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { class: "rail", d: "M0 16.5h120" }), svg("path", { class: "passed", d: passed }), svg("path", { class: "failed", d: failed }));
}

/** A line over the last hour; null is a gap. `values` are oldest first, at most 120. */
export function spark(values, what, show = String, kind = "area") {
  const known = (values ?? []).filter((value) => value !== null);
  const top = Math.max(1e-9, ...known);
  const from = 120 - (values ?? []).length;
  let line = "";
  let area = "";
  let open = false;
  (values ?? []).forEach((value, index) => {
    const x = from + index;
    if (value === null) {
      if (open) area += `L${x - 1} 20z`;
      open = false;
      return;
    }
    const y = (19 - (value / top) * 17).toFixed(2);
    line += `${open ? "L" : "M"}${x} ${y}`;
    area += open ? `L${x} ${y}` : `M${x} 20L${x} ${y}`;
    open = true;
  });
  if (open) area += "L119 20z";
  const label = known.length
    ? `${what} in the last hour: lowest ${show(Math.min(...known))}, highest ${show(Math.max(...known))}, now ${show(known.at(-1))}`
    : `${what}: no samples yet`;
  return svg("svg", { class: `spark ${kind}`, viewBox: "0 0 120 20", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { class: "rail", d: "M0 19.5h120" }), svg("path", { class: "fill", d: kind === "area" ? area : "" }), svg("path", { class: "line", d: line }));
}

/** A share of a whole as a bar; the words beside it say the same. */
export function bar(part, whole, kind) {
  const share = whole > 0 ? Math.min(1, part / whole) : 0;
  return svg("svg", { class: `bar ${kind}`, viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "whole", x: 0, y: 0, width: 100, height: 8 }), svg("rect", { class: "part", x: 0, y: 0, width: (share * 100).toFixed(1), height: 8 }));
}

export const whole = (number) => Math.round(number).toLocaleString("en-US");

/** One number, short: 1,234 or 12.3 k. */
export function short(number) {
  if (number === null || number === undefined) return "–";
  const units = ["", "k", "M", "G", "T"];
  let unit = 0;
  while (Math.abs(number) >= 10_000 && unit < units.length - 1) {
    number /= 1000;
    unit += 1;
  }
  return unit ? `${number.toFixed(number < 100 ? 1 : 0)} ${units[unit]}` : number.toLocaleString("en-US", { maximumFractionDigits: number < 10 ? 1 : 0 });
}

export function bytes(number) {
  if (number === null || number === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (number >= 1000 && unit < units.length - 1) {
    number /= 1000;
    unit += 1;
  }
  return `${number.toFixed(unit && number < 100 ? 1 : 0)} ${units[unit]}`;
}

export function milliseconds(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const value = seconds * 1000;
  return value < 10 ? `${value.toFixed(1)} ms` : value < 10_000 ? `${Math.round(value)} ms` : `${seconds.toFixed(1)} s`;
}

/** How long ago, in at most two units. */
export function ago(seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return seconds < 600 ? `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** The director's clock: ages are told by it, so that a browser whose clock is wrong tells no nonsense. */
export const clock = {
  ahead: 0,
  now() {
    return Date.now() / 1000 + this.ahead;
  },
  set(takenAt) {
    const moment = Date.parse(takenAt) / 1000;
    if (Number.isFinite(moment)) this.ahead = moment - Date.now() / 1000;
  },
};

/** An age that goes on: `since` is UNIX seconds or RFC 3339; the page's one timer calls `tick`. */
export function age(since, attributes = {}) {
  const made = el("time", attributes);
  setAge(made, since);
  return made;
}

export function setAge(element, since) {
  const moment = typeof since === "string" ? Date.parse(since) / 1000 : since;
  if (!Number.isFinite(moment) || moment === null) {
    delete element.dataset.since;
    setText(element, "–");
    return;
  }
  if (element.dataset.since !== String(moment)) {
    element.dataset.since = String(moment);
    element.setAttribute("datetime", new Date(moment * 1000).toISOString());
    element.setAttribute("title", at(moment));
  }
  setText(element, ago(clock.now() - moment));
}

export function tick(root) {
  const now = clock.now();
  for (const element of root.querySelectorAll("time[data-since]")) setText(element, ago(now - Number(element.dataset.since)));
}

/** A moment in the reader's own time zone, which it names. */
export function at(moment) {
  const date = new Date(typeof moment === "string" ? moment : moment * 1000);
  return Number.isNaN(date.getTime()) ? "–" : date.toLocaleString("sv-SE", { timeZoneName: "short" });
}
