// One rollout: where it is and why, each decision with its numbers, alerts, gates and holds.

import { asking, asks, session } from "./asks.js";
import { courses } from "./courses.js";
import { code, h, refresh, say } from "./dom.js";
import { age, at, moment, percent } from "./format.js";
import { Cursor } from "./plot.js";
import { policy } from "./policy.js";
import { linked } from "./reasons.js";
import { place, revision, standing, step } from "./rows.js";

const OUTCOMES = { done: "done", failed: "failed", refused: "refused", observed: "nothing was changed (observe mode or frozen)" };

export function rollout(main, context, namespace, record) {
  const parts = Object.fromEntries(
    ["title", "asks", "hold", "keeper", "facts", "courses", "gates", "decisions", "alerts", "policy", "others"].map((name) => [name, h("section", { class: "sheet", hidden: true })]),
  );
  parts.title.className = "";
  main.append(...Object.values(parts));
  const cursor = new Cursor();
  const open = asking(main, `/ui/api/rollouts/${encodeURIComponent(namespace)}/${encodeURIComponent(record)}/commands`, () => newest);
  const answered = new Map();
  let newest = null;
  let who = { offered: false };
  let word = "";
  session(namespace).then((told) => {
    who = told;
    if (newest) draw(newest);
  });

  // What the sentinel answers while the page is open is announced.
  function listen(commands) {
    for (const one of commands) {
      const before = answered.get(one.name);
      if (before === "Pending" && one.phase !== before) say(`${one.action}: ${one.phase}. ${one.message}`);
      answered.set(one.name, one.phase);
    }
  }

  function draw(data) {
    newest = data;
    if (data === null) {
      refresh(parts.title, "gone", () => [h("h1", {}, record), h("p", { class: "dim" }, `There is no RolloutRecord of this name in ${namespace}.`)]);
      return;
    }
    const row = data.row;
    document.title = `${row.name}: ${row.standing} · Rollback Sentinel`;
    if (word && word !== row.standing) say(`${row.name}: ${row.standing}`);
    word = row.standing;
    refresh(parts.title, [row, data.candidate, data.stable], () => title(data));
    listen(data.commands);
    refresh(parts.asks, [who, data.offered, data.commands, row.live, row.step], () => asks(data, who, open));
    refresh(parts.hold, data.row.live ? [data.hold, data.advice, row.standing] : [null, data.advice, row.standing], () => hold(data));
    refresh(parts.keeper, data.keeper_hold, keeper);
    refresh(parts.facts, [data.trigger, data.undo, data.promoted_at, data.guard_until, data.saved_at, row], () => facts(data));
    refresh(parts.courses, [data.courses, data.decisions.length], () => courses(data, cursor));
    refresh(parts.gates, data.gates, gates);
    refresh(parts.decisions, data.decisions, () => decisions(data.decisions, at(row.started_at)));
    refresh(parts.alerts, [data.alerts, data.alerts_beyond], () => alerts(data));
    refresh(parts.policy, [data.detection, data.policy_document], () => policy(data));
    refresh(parts.others, data.others, others);
  }

  return context.follow(`?about=${encodeURIComponent(`${namespace}/${record}`)}`, { rollout: draw });
}

function title(data) {
  const row = data.row;
  return [
    h("div", { class: "head" }, h("h1", {}, row.name), standing(row.standing), h("span", { class: "dim" }, step(row))),
    h("p", { class: "dim" }, `${row.kind} in ${row.namespace}: ${data.candidate}, ${data.stable ? `replaces ${data.stable}` : "first deployment"}`),
    h("p", {}, row.message),
  ];
}

function hold(data) {
  const shown = data.row.live ? data.hold : null;
  if (!shown && !data.advice.length) return [];
  const said = shown
    ? [
        h("h2", {}, shown.observed ? "Would be held: " : "Held: ", linked(shown.reason)),
        h("p", {}, code(shown.meaning)),
        h("p", { class: "dim" }, `Since ${moment(shown.since)}. What ends it: ${shown.ends}${shown.ends === "a person" ? " or a newer revision" : "; also a person or a newer revision"}.`),
      ]
    : [h("h2", {}, "What to do next")];
  return [...said, data.advice.length > 0 && h("ul", { class: "advice" }, data.advice.map(advice))];
}

// A sentence, and the command that it ends with, as one to copy.
function advice(text) {
  const cut = text.indexOf(": kubectl ");
  return cut < 0 ? h("li", {}, text) : h("li", {}, text.slice(0, cut + 1), h("pre", { tabindex: "0" }, text.slice(cut + 2)));
}

function keeper(held) {
  if (!held) return [];
  const state = held.placed_at ? `in force since ${moment(held.placed_at)}` : "not yet in force";
  const ends = held.by_people ? "Only a person releases it." : `People are called if it is still in force at ${moment(held.until)}.`;
  return [h("h2", {}, `${held.keeper} is held`), h("p", {}, `So that the undo lasts (${held.reason}); ${state}. ${ends}`)];
}

function facts(data) {
  const row = data.row;
  const undo = data.undo;
  const pairs = [
    ["Policy", `${row.policy}${row.mode === "observe" ? " (observe mode: changes nothing)" : ""}`],
    ["Weight reached", percent(row.weight)],
    ["Started", moment(row.started_at)],
    ["Promoted", data.promoted_at && `${moment(data.promoted_at)}, after ${age(at(data.promoted_at) - at(row.started_at))}`],
    ["Guarded until", data.guard_until && moment(data.guard_until)],
    ["Triggered by", data.trigger || "unknown"],
    ["Change cause", data.change_cause],
    ["Attempt", data.attempt > 1 && `${data.attempt} of this revision`],
    ["Undo to", undo && undo.target],
    ["Fault to patch", undo?.fault_at && undo.patched_at && age(at(undo.patched_at) - at(undo.fault_at))],
    ["Restored", undo?.restored_at && moment(undo.restored_at)],
    ["Record", h("code", {}, data.record)],
  ];
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function gates(found) {
  if (!found.length) return [];
  const lines = found.map((gate) =>
    h("tr", {}, h("td", {}, gate.name), h("td", {}, gate.answer), h("td", { class: "number" }, String(gate.tries)), h("td", {}, gate.detail)),
  );
  const titles = ["Gate", "Answer", "Asked", "Detail"];
  return [h("h2", {}, "Gates of this step"), h("div", { class: "scroll" }, table(titles, lines))];
}

function table(titles, lines) {
  return h("table", {}, h("thead", {}, h("tr", {}, titles.map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, lines));
}

function decisions(found, began) {
  if (!found.length) return [];
  return [h("h2", {}, "Decisions"), h("ol", { class: "decisions", reversed: true }, [...found].reverse().map((one) => decision(one, began)))];
}

function decision(one, began) {
  const rule = one.rule ? ` by ${one.rule}` : "";
  const when = h("div", { class: "when" }, h("time", { datetime: one.at, title: moment(one.at) }, timeOfDay(one.at, began)), h("div", {}, `+${age(at(one.at) - began)}`));
  const numbers = Object.entries(one.numbers);
  return h("li", {}, when, h("div", {},
    h("p", { class: "what" }, `${one.action}${rule}`, h("span", { class: "dim" }, ` at step ${one.step} (`, linked(one.reason), ")")),
    h("p", {}, one.message),
    one.figures.length > 0 && h("ul", {}, one.figures.map(figures)),
    outcome(one),
    one.requested_by && h("p", { class: "dim" }, `Asked for by ${one.requested_by}.`),
    one.escalated && h("p", { class: "dim" }, "People were called."),
    numbers.length > 0 && h("details", { "data-key": one.at + one.action }, h("summary", {}, `Numbers (${numbers.length})`),
      h("dl", { class: "numbers" }, numbers.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))))),
  ));
}

// The time of day, with the date where that is another one than the rollout's first.
function timeOfDay(text, began) {
  const [day, time] = new Date(text).toISOString().slice(0, 19).split("T");
  return day === new Date(began * 1000).toISOString().slice(0, 10) ? time : `${day} ${time}`;
}

function figures(one) {
  const said = [one.canary && `canary ${one.canary}`, one.baseline && `baseline ${one.baseline}`, one.limit && `limit ${one.limit}`, one.evidence && `evidence ${one.evidence}`];
  return h("li", {}, `${one.rule}: ${said.filter(Boolean).join(", ")}`);
}

function outcome(one) {
  if (!one.outcome) return h("p", { class: "outcome dim" }, "In progress: the outcome is not known yet.");
  if (one.outcome === "done" && !one.detail) return null;
  const bad = one.outcome === "failed" || one.outcome === "refused";
  return h("p", { class: `outcome ${bad ? "bad" : "dim"}` }, `${OUTCOMES[one.outcome]}${one.detail ? `: ${one.detail}` : ""}`);
}

function alerts(data) {
  if (!data.alerts.length) return [];
  const lines = data.alerts.map((one) => {
    const labels = Object.entries(one.labels).filter(([name]) => name !== "alertname").map(([name, value]) => `${name}=${value}`).join(", ");
    return h("tr", {},
      h("td", {}, h("b", {}, one.name), one.summary && h("div", {}, one.summary), h("div", { class: "sub" }, labels)),
      h("td", {}, one.status),
      h("td", { class: "nowrap" }, moment(one.starts_at)),
      h("td", {}, one.verdict || "not examined yet"),
    );
  });
  const beyond = data.alerts_beyond > 0 && h("p", { class: "dim" }, `and at least ${data.alerts_beyond.toLocaleString("en")} more`);
  return [h("h2", {}, "Alerts"), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Alerts" }, table(["Alert", "Status", "Firing since", "Effect"], lines)), beyond];
}

function others(found) {
  if (!found.length) return [];
  const lines = found.map((row) =>
    h("tr", {}, h("td", {}, h("a", { href: place(row) }, moment(row.started_at))), h("td", {}, standing(row.standing)), h("td", {}, revision(row)), h("td", { class: "wide" }, row.reason)),
  );
  return [h("h2", {}, "Other rollouts of this workload"), h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Started", "Standing", "Revision"].map((one) => h("th", { scope: "col" }, one)), h("th", { scope: "col", class: "wide" }, "Reason"))), h("tbody", {}, lines)))];
}
