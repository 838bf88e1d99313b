// DORA's four figures against their targets.

import { h } from "./dom.js";
import { age, percent, precise } from "./format.js";

const FIGURES = [
  ["deploymentsPerDay", "Deployments a day", (one) => precise(one.deploymentsPerDay)],
  ["leadTime", "Lead time (median)", (one) => time(one.leadTime)],
  ["changeFailureRate", "Change failure rate", (one) => (one.changeFailureRate === null ? "-" : `${percent(one.changeFailureRate)} (${one.failed} of ${one.changes})`)],
  ["timeToRestore", "Time to restore (median)", (one) => time(one.timeToRestore)],
];

const time = (seconds) => (seconds === null ? "-" : age(seconds));

export function delivery(main) {
  const tally = h("p", { class: "dim", role: "status" }, "reading");
  const body = h("tbody");
  const partly = h("p", { class: "missed", role: "status" });
  const titles = ["Workload", "Days", ...FIGURES.map(([, title]) => title)];
  const head = h("tr", {}, titles.map((title, index) => h("th", { scope: "col", class: index === 0 ? "" : "number" }, title)));
  main.append(
    h("div", { class: "head" }, h("h1", {}, "Delivery"), tally),
    h("section", { class: "sheet", "aria-label": "DORA figures" },
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "DORA figures by workload" }, h("table", { class: "figures" }, h("thead", {}, head), body)),
      partly,
      h("p", { class: "dim small" }, "As ", h("code", {}, "sentinel dora"), " counts them. Windows are whole days in UTC. Figures that miss their target are marked and in red.")),
  );
  load(tally, body, partly);
  return () => {};
}

async function load(tally, body, partly) {
  try {
    const answer = await fetch("/ui/api/delivery");
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    const { targets } = found;
    tally.textContent = `targets: ${precise(targets.deploymentsPerDay)} a day, lead time under ${age(targets.leadTime)}, failures under ${percent(targets.changeFailureRate)}, restored in less than ${age(targets.timeToRestore)}`;
    partly.textContent = found.incomplete && `Deleted rollouts are not counted: ${found.incomplete}`;
    body.replaceChildren(...found.scopes.flatMap(lines));
  } catch (error) {
    tally.textContent = `The figures cannot be read: ${error.message}`;
  }
}

function lines(scope) {
  const name = scope.workload ? [scope.workload, h("div", { class: "sub" }, `${scope.kind} in ${scope.namespace}`)] : scope.namespace ? `all of ${scope.namespace}` : "all";
  return scope.windows.map((one, index) =>
    h("tr", {}, h("td", {}, index === 0 ? name : ""), h("td", { class: "number" }, String(one.days)), FIGURES.map(([key, , show]) => h("td", { class: "number" }, figure(show(one), one.met[key])))),
  );
}

const figure = (text, met) => (met === false ? h("span", { class: "missed" }, `${text} !`) : text);
