// Plots over time as SVG: lines, a limit, what happened when. One cursor for all plots of a page, by pointer and by keys.

import { h, s } from "./dom.js";
import { clock } from "./format.js";

const LEFT = 58;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 20;

// Where all plots of a page are looked at.
export class Cursor {
  constructor() {
    this.at = null;
    this.plots = new Set();
  }

  move(at) {
    this.at = at;
    for (const plot of this.plots) plot.look(at);
  }
}

// `given`: {title, from, to, lines: [{name, look, at, values, step}], rule: {name, value}, marks: [{at, name, look}],
// show, least, most, floor, always, levels, height}. `show` writes a value; `always` has the rule in sight whatever was measured.
export function plot(given, cursor) {
  const height = given.height ?? 130;
  const box = h("div", { class: "plot" });
  const told = h("p", { class: "told", "aria-hidden": "true" });
  const figure = h("figure", {}, h("figcaption", {}, h("h3", {}, given.title), legend(given)), box, told);
  const times = [...new Set(given.lines.flatMap((line) => line.at))].sort((a, b) => a - b);
  const value = (line, at) => nearest(line, at);
  let width = 0;
  let hair = null;

  const slider = { role: "slider", tabindex: "0", "data-key": given.title, "aria-label": `${given.title} over time`, "aria-valuemin": "0", "aria-valuemax": String(Math.max(0, times.length - 1)) };
  const svg = s("svg", { ...slider, height, onpointermove: point, onpointerleave: () => cursor.move(null), onkeydown: keyed });
  box.append(svg);

  const x = (at) => LEFT + ((at - given.from) / Math.max(1, given.to - given.from)) * (width - LEFT - RIGHT);
  const most = scale(given);
  const y = (value) => TOP + (1 - (value - most.low) / (most.high - most.low)) * (height - TOP - BOTTOM);

  function draw() {
    svg.setAttribute("width", width);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    hair = s("line", { class: "hair", y1: TOP, y2: height - BOTTOM, visibility: "hidden" });
    svg.replaceChildren(...axes(), ...marks(), ...limit(), ...given.lines.flatMap(drawn), hair);
    look(cursor.at);
  }

  function axes() {
    const levels = most.ticks.map((level) => [
      s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(level), y2: y(level) }),
      s("text", { x: LEFT - 6, y: y(level) + 4, "text-anchor": "end" }, given.show(level)),
    ]);
    const count = Math.max(2, Math.floor((width - LEFT - RIGHT) / 110));
    const stamps = Array.from({ length: count }, (_, index) => given.from + ((given.to - given.from) * index) / (count - 1));
    return [
      ...levels.flat(),
      ...stamps.map((at, index) => s("text", { x: x(at), y: height - 5, "text-anchor": index === 0 ? "start" : index === count - 1 ? "end" : "middle" }, clock(at))),
    ];
  }

  function marks() {
    return given.marks.filter((one) => one.at >= given.from && one.at <= given.to).map((one) =>
      s("line", { class: `mark ${one.look}`, x1: x(one.at), x2: x(one.at), y1: TOP, y2: height - BOTTOM }, s("title", {}, one.name)),
    );
  }

  function limit() {
    if (!given.rule || given.rule.value === null || given.rule.value > most.high) return [];
    return [s("line", { class: "limit", x1: LEFT, x2: width - RIGHT, y1: y(given.rule.value), y2: y(given.rule.value) })];
  }

  function drawn(line) {
    let path = "";
    let pen = false;
    line.values.forEach((value, index) => {
      if (value === null) {
        pen = false;
        return;
      }
      const at = `${x(line.at[index]).toFixed(1)},${y(Math.max(most.low, Math.min(value, most.high))).toFixed(1)}`;
      if (!pen) path += `M${at}`;
      else path += line.step ? `H${x(line.at[index]).toFixed(1)}V${y(value).toFixed(1)}` : `L${at}`;
      pen = true;
    });
    const alone = line.values.filter((value) => value !== null).length === 1;
    const index = line.values.findIndex((value) => value !== null);
    return [
      s("path", { class: `line ${line.look}`, d: path || "M0,0" }),
      alone && s("circle", { class: `dot ${line.look}`, cx: x(line.at[index]), cy: y(line.values[index]), r: 3 }),
    ].filter(Boolean);
  }

  function point(event) {
    const place = svg.getBoundingClientRect();
    const at = given.from + ((event.clientX - place.left - LEFT) / (width - LEFT - RIGHT)) * (given.to - given.from);
    cursor.move(Math.max(given.from, Math.min(given.to, at)));
  }

  function keyed(event) {
    const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || !times.length) return;
    event.preventDefault();
    const now = cursor.at === null ? times.length - 1 : times.reduce((best, at, index) => (Math.abs(at - cursor.at) < Math.abs(times[best] - cursor.at) ? index : best), 0);
    cursor.move(times[Math.max(0, Math.min(times.length - 1, now + moves[event.key]))]);
  }

  function look(at) {
    const last = at ?? times[times.length - 1] ?? null;
    const text = last === null ? "nothing measured" : `${clock(last)} UTC: ${given.lines.map((line) => `${line.name} ${said(value(line, last))}`).join(", ")}`;
    told.textContent = text;
    svg.setAttribute("aria-valuetext", text);
    svg.setAttribute("aria-valuenow", String(Math.max(0, times.findIndex((one) => one >= (last ?? 0)))));
    if (!hair) return;
    hair.setAttribute("visibility", at === null ? "hidden" : "visible");
    if (at !== null) {
      hair.setAttribute("x1", x(at));
      hair.setAttribute("x2", x(at));
    }
  }

  const said = (number) => (number === null ? "nothing" : given.show(number));
  cursor.plots.add({ look });
  new ResizeObserver(([entry]) => {
    const wide = Math.floor(entry.contentRect.width);
    if (wide && wide !== width) {
      width = wide;
      draw();
    }
  }).observe(box);
  look(cursor.at);
  return figure;
}

function legend(given) {
  const entries = given.lines.map((line) => h("span", { class: `key ${line.look}` }, line.name));
  if (given.rule && given.rule.value !== null) entries.push(h("span", { class: "key limit" }, `${given.rule.name} ${given.show(given.rule.value)}`));
  return h("span", { class: "legend" }, entries);
}

// The value at or before a time; before the first, none.
function nearest(line, at) {
  let found = null;
  line.at.forEach((time, index) => {
    if (time <= at + 0.001) found = line.values[index];
  });
  return found;
}

// From 0, or below, to a round number above all values; a limit far above them is left out of sight, but named.
function scale(given) {
  const values = given.lines.flatMap((line) => line.values).filter((value) => value !== null);
  let high = Math.max(given.least ?? 0, ...values);
  const rule = given.rule?.value ?? null;
  if (rule !== null && (rule <= 3 * high || given.always)) high = Math.max(high, rule * 1.1);
  if (high <= 0) high = rule ? rule * 1.1 : 1;
  const lowest = Math.min(0, ...values);
  const low = lowest < 0 ? Math.max(lowest, given.floor ?? lowest) : 0;
  if (given.most !== undefined) high = Math.min(high, Math.max(given.most, rule ?? 0));
  if (given.levels) return { low, high, ticks: given.levels(low, high) };
  const step = round((high - low) / 3);
  const ticks = [];
  for (let level = Math.ceil(low / step) * step; level <= high * 1.0001; level += step) ticks.push(Math.abs(level) < step / 1e6 ? 0 : level);
  return { low, high, ticks };
}

function round(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= step * 0.999);
}
