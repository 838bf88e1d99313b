// Lists that are searched on the server, a page at a time: the history, and the workloads.

import { h } from "./dom.js";
import { age, amount, at, moment, percent, precise } from "./format.js";
import { revision, standing, workload } from "./rows.js";

const PAGE = 100;

const started = (row) => moment(row.started_at);
const took = (row) => (row.ended_at ? age(at(row.ended_at) - at(row.started_at)) : "in flight");

const HISTORY = {
  title: "History",
  about: "Rollouts on record",
  source: "/ui/api/history",
  hint: "Search: workload, image, reason, Undone",
  unit: "rollout",
  columns: [
    ["Workload", "", workload],
    ["Standing", "nowrap", (row) => standing(row.standing)],
    ["Started", "nowrap wide", started],
    ["Took", "number", took],
    ["Revision", "wide", revision],
    ["Reason", "wide", (row) => row.reason],
  ],
};

const WORKLOADS = {
  title: "Workloads",
  about: "Guarded workloads, each with its newest rollout",
  source: "/ui/api/workloads",
  hint: "Search: workload, image, policy",
  unit: "workload",
  columns: [
    ["Workload", "", (row) => (row.newest ? workload(row.newest) : [h("b", {}, row.name), h("div", { class: "sub" }, `${row.kind} in ${row.namespace}`)])],
    ["Policy", "", guard],
    ["Finds within the first bake", "wide", finds],
    ["Newest rollout", "nowrap", (row) => (row.newest ? standing(row.newest.standing) : h("span", { class: "dim" }, "none yet"))],
    ["Started", "nowrap wide", (row) => (row.newest ? started(row.newest) : "")],
  ],
};

function guard(row) {
  if (row.unguarded) return h("span", { class: "missed" }, `not guarded: ${row.unguarded}`);
  return [`${row.policy}${row.mode === "observe" ? " (observe mode)" : ""}`, h("div", { class: "sub", title: row.origin }, row.origin.replace(/^file \S*\//, "file "))];
}

function finds(row) {
  const found = row.finds;
  if (!found) return h("span", { class: "dim" }, row.unknown);
  const where = `step of ${percent(found.weight)}, bake ${age(found.bake)}, ${precise(found.rps)} requests/s`;
  const said = found.more === null ? "no fault up to +25% errors" : `+${percent(found.more)} errors in ${age(found.most)}`;
  return [said, h("div", { class: "sub" }, where)];
}

export const history = (main) => listing(main, HISTORY);
export const workloads = (main) => listing(main, WORKLOADS);

function listing(main, list) {
  let skip = 0;
  let asked = 0;
  const given = new URLSearchParams(location.search).get("q") ?? "";
  let waiting = null;

  const search = h("input", { type: "search", value: given, placeholder: list.hint, "aria-label": list.hint, oninput: later });
  const tally = h("p", { class: "dim", role: "status" });
  const body = h("tbody");
  const empty = h("p", { class: "empty" });
  const before = h("button", { type: "button", onclick: () => turn(-PAGE) }, "Newer");
  const after = h("button", { type: "button", onclick: () => turn(PAGE) }, "Older");
  const pages = h("div", { class: "pages" }, before, after);
  const head = h("tr", {}, list.columns.map(([title, look]) => h("th", { scope: "col", class: look }, title)));
  main.append(
    h("div", { class: "head" }, h("h1", {}, list.title), tally, h("span", { class: "grow" }), search),
    h("section", { class: "sheet", "aria-label": list.about }, h("table", { class: "board" }, h("thead", {}, head), body), empty, pages),
  );

  function later() {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      skip = 0;
      load();
    }, 200);
  }

  function turn(by) {
    skip += by;
    load();
  }

  async function load() {
    const mine = ++asked;
    const query = new URLSearchParams({ q: search.value, skip: String(skip) });
    window.history.replaceState(null, "", search.value ? `?${new URLSearchParams({ q: search.value })}` : location.pathname);
    let found;
    try {
      const answer = await fetch(`${list.source}?${query}`);
      found = await answer.json();
      if (!answer.ok) throw new Error(found.error);
    } catch (error) {
      if (mine === asked) tally.textContent = `The list cannot be read: ${error.message}`;
      return;
    }
    if (mine === asked) draw(found);
  }

  function draw(found) {
    body.replaceChildren(...found.rows.map(line));
    tally.textContent = amount(found.total, list.unit);
    empty.textContent = search.value ? "Nothing on record matches." : "Nothing is on record.";
    empty.hidden = found.total > 0;
    pages.hidden = found.total <= PAGE;
    before.disabled = skip === 0;
    after.disabled = skip + PAGE >= found.total;
  }

  function line(row) {
    return h("tr", {}, list.columns.map(([, look, show]) => h("td", { class: look }, show(row))));
  }

  load();
  return () => clearTimeout(waiting);
}
