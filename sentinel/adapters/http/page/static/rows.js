// Rows of rollouts: what the board and the history have in common.

import { h, s } from "./dom.js";
import { age, at, moment, percent } from "./format.js";

const LOOKS = {
  Promoted: "good",
  Undoing: "bad",
  Undone: "bad",
  Failed: "bad",
  WouldUndo: "bad",
  Held: "warn",
  WouldHold: "warn",
  Progressing: "busy",
  Baking: "busy",
};

export const standing = (word) => h("span", { class: `standing ${LOOKS[word] ?? "calm"}` }, word);

export const place = (row) => `/ui/rollouts/${encodeURIComponent(row.namespace)}/${encodeURIComponent(row.id.split("/")[1])}`;

export function step(row) {
  if (!row.in_flight) return "";
  if (!row.steps) return percent(row.weight);
  return row.step > row.steps ? "100%" : `step ${row.step} of ${row.steps}`;
}

export function weight(row) {
  const share = Math.max(0, Math.min(1, row.weight));
  const bar = s("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none" }, s("rect", { width: share * 100, height: 10 }));
  return [h("span", { class: "bar", "aria-hidden": "true" }, bar), percent(row.weight)];
}

export const revision = (row) => `${row.revision}${row.images.length ? ` (${row.images.join(", ")})` : ""}`;

export function workload(row) {
  return [
    h("a", { href: place(row), "data-key": row.id }, row.name),
    h("div", { class: "sub" }, `${row.kind} in ${row.namespace}`),
  ];
}

export function why(row) {
  const marks = [];
  if (row.firing) marks.push(`${row.firing} firing ${row.firing === 1 ? "alert" : "alerts"}`);
  if (row.keeper) marks.push(`${row.keeper} is held`);
  if (row.mode === "observe") marks.push("observe mode");
  return [row.message, marks.length > 0 && h("div", { class: "sub" }, marks.join(" · "))];
}

export const since = (row, now) => h("time", { datetime: row.started_at, title: moment(row.started_at) }, age(now - at(row.started_at)));
