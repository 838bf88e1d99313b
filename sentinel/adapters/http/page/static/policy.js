// The policy of a rollout: what its rules would find at the traffic seen, and the policy itself.

import { h } from "./dom.js";
import { age, percent, precise } from "./format.js";

export function policy(data) {
  const document = JSON.stringify(data.policy_document, null, 2);
  if (!data.detection.length && document === "{}") return [];
  return [
    h("h2", {}, `Policy ${data.row.policy}`),
    h("p", { class: "dim small" }, origin(data.policy_document)),
    data.detection.map(detection),
    document !== "{}" && h("details", { "data-key": "policy" }, h("summary", {}, "The policy that the rollout began with"), h("pre", { tabindex: "0" }, document)),
  ];
}

function origin(document) {
  const object = document.metadata?.namespace || document.kind === "ClusterRolloutPolicy";
  return object ? `An object in the cluster, of the kind ${document.kind}.` : "Of a rule file.";
}

function detection(one) {
  const clusters = one.dispersion > 1.005 ? `, in clusters (dispersion ${precise(one.dispersion)})` : "";
  const said = `${one.rule}: what it takes to find more errors at this traffic, ${precise(one.rps)} requests per second, of which the baseline fails ${percent(one.base)}${clusters}. Half of the time within the first time, nine times in ten within the second.`;
  const steps = one.steps.map((step) => h("th", { scope: "col" }, `Step ${step.step}: ${percent(step.weight)}, bake ${age(step.bake)}`));
  const rows = one.steps[0].times.map((time, index) =>
    h("tr", {}, h("th", { scope: "row" }, `+${percent(time.more)} errors`), one.steps.map((step) => h("td", {}, found(step.times[index], step.bake)))),
  );
  const table = h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Fault"), steps)), h("tbody", {}, rows));
  return [h("p", { class: "dim small" }, said), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `What ${one.rule} finds` }, table)];
}

function found(time, bake) {
  if (time.within_limit) return h("span", { class: "dim" }, "within the limit");
  if (time.half === null) return h("span", { class: "dim" }, "not found");
  const most = time.most === null ? "never" : age(time.most);
  const late = time.most === null || time.most > bake;
  return [`${age(time.half)} / ${most}`, late && h("div", { class: "sub" }, time.half > bake ? "longer than the bake" : "may need longer than the bake")];
}
