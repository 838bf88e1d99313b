// The plots of a rollout: what each rule measured, its evidence against what proves a fault, steps and weight, on one axis.

import { h } from "./dom.js";
import { at, evidence, percent, seconds } from "./format.js";
import { plot } from "./plot.js";

const SHOWN = { share: percent, seconds, value: (value) => String(Number(value.toPrecision(4))) };
const TITLES = { share: "share of failed requests", seconds: "response time", value: "value" };
const LOOKS = { undo: "bad", "would-undo": "bad", hold: "warn", "would-hold": "warn", promote: "good" };
// Evidence beyond a million to one says nothing more.
const PROVEN = Math.log(2e6);
const levels = (low, high) => Array.from({ length: 7 }, (_, power) => power * Math.log(10)).filter((one, power) => one >= low && one <= high && (high < 7 || power % 2 === 0));
const QUIET = new Set(["note", "close", "start"]);

export function courses(data, cursor) {
  cursor.plots.clear();
  const found = data.courses.filter((course) => course.at.length);
  if (!found.length) return [];
  const times = found.flatMap((course) => course.at);
  const last = Math.max(...times, ...data.decisions.filter((one) => !QUIET.has(one.action)).map((one) => at(one.at)).filter((one) => one <= Math.max(...times) + 120));
  const axis = { from: Math.min(at(data.row.started_at), ...times), to: Math.max(last, Math.min(...times) + 10), marks: marks(data) };
  return [
    h("h2", {}, "Canary and baseline over time"),
    h("p", { class: "dim small" }, "Times in UTC. Vertical lines are decisions. Point, or focus a plot and use the arrow keys, to read values."),
    h("div", { class: "plots" }, weights(data, found, axis, cursor), found.flatMap((course) => [measured(course, axis, cursor), proof(course, axis, cursor)])),
    table(found),
  ];
}

function marks(data) {
  return data.decisions.filter((one) => !QUIET.has(one.action)).map((one) => ({ at: at(one.at), name: `${one.action} (${one.reason})`, look: LOOKS[one.action] ?? "step" }));
}

function measured(course, axis, cursor) {
  const lines = [{ name: "canary", look: "canary", at: course.at, values: course.canary }];
  if (course.baseline.some((value) => value !== null)) lines.push({ name: "baseline", look: "baseline", at: course.at, values: course.baseline });
  const rule = { name: "limit", value: course.limit ?? null };
  return plot({ ...axis, title: `${course.rule}: ${TITLES[course.unit]}`, lines, rule, show: SHOWN[course.unit] }, cursor);
}

function proof(course, axis, cursor) {
  if (!course.evidence.some((value) => value !== null)) return null;
  const lines = [{ name: "evidence that the canary is worse", look: "proof", at: course.at, values: course.evidence }];
  const rule = { name: "undo at", value: course.needed ?? null };
  return plot({ ...axis, title: `${course.rule}: evidence`, lines, rule, show: evidence, least: 1, most: PROVEN, always: true, floor: -3, levels }, cursor);
}

// The weight that was reached, and the one that the step asks for.
function weights(data, found, axis, cursor) {
  const longest = found.reduce((best, course) => (course.at.length > best.at.length ? course : best));
  const lines = [{ name: "reached", look: "canary", at: longest.at, values: longest.weight, step: true }];
  const asked = steps(data, axis);
  if (asked.at.length) lines.push(asked);
  return plot({ ...axis, title: "Weight of the canary", lines, show: percent, least: 1, height: 90 }, cursor);
}

function steps(data, axis) {
  const moves = data.decisions.filter((one) => one.action === "advance" || one.action === "start");
  const line = { name: "asked for", look: "asked", at: [], values: [], step: true };
  if (data.steps.length < 2) return line;
  for (const one of moves) {
    const step = data.steps[one.step - 1];
    if (!step) continue;
    line.at.push(Math.max(axis.from, at(one.at)));
    line.values.push(step.weight);
  }
  if (line.at.length) {
    line.at.push(axis.to);
    line.values.push(line.values.at(-1));
  }
  return line;
}

// The same as numbers, for those who read rather than look.
function table(found) {
  return found.map((course) => {
    const show = (value) => (value === null ? "" : SHOWN[course.unit](value));
    const body = h("tbody");
    const details = h("details", { "data-key": `table ${course.rule}`, ontoggle: fill }, h("summary", {}, `${course.rule} as a table (${course.at.length} points)`),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${course.rule} as a table` }, h("table", {}, h("thead", {}, h("tr", {}, ["Time (UTC)", "Weight", "Canary", "Requests", "Baseline", "Requests", "Evidence"].map((one) => h("th", { scope: "col" }, one)))), body)));

    function fill() {
      if (!details.open || body.childElementCount) return;
      body.append(...course.at.map((time, index) => h("tr", {}, [
        new Date(time * 1000).toISOString().slice(0, 19).replace("T", " "), percent(course.weight[index]), show(course.canary[index]), course.canary_total[index].toLocaleString("en"),
        show(course.baseline[index]), course.baseline_total[index].toLocaleString("en"), course.evidence[index] === null ? "" : evidence(course.evidence[index]),
      ].map((text) => h("td", { class: "nowrap" }, text)))));
    }

    return details;
  });
}
