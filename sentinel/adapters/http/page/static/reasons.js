// What every reason means, and what to do about it; the one in the address first.

import { code, h } from "./dom.js";

const KINDS = { hold: "why a rollout is held", decision: "a decision", verdict: "a rule's verdict", missing: "evidence that is missing" };

export const place = (reason) => `/ui/reasons/${encodeURIComponent(reason)}`;

// A reason as a link to what it means.
export const linked = (reason) => (reason ? h("a", { href: place(reason) }, reason) : "");

export function reasons(main, wanted) {
  const said = h("p", { class: "dim", role: "status" }, "Loading");
  main.append(h("div", { class: "head" }, h("h1", {}, wanted ?? "Reasons"), said));
  fetch("/ui/api/reasons")
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`status ${answer.status}`))))
    .then((found) => draw(found))
    .catch((error) => {
      said.textContent = `The reasons cannot be read: ${error.message}`;
    });

  function draw(found) {
    const one = found.find((each) => each.reason.toLowerCase() === wanted?.toLowerCase());
    said.textContent = one ? KINDS[one.of] : wanted ? "This release knows no such reason." : "What each means, and what to do about it";
    const about = one && h("section", { class: "sheet", "aria-label": one.reason }, h("p", {}, code(one.means)), h("h2", {}, "What to do"), h("p", {}, code(one.remedy)));
    const others = h("section", { class: "sheet", "aria-label": "Every reason" }, h("h2", {}, "Every reason"), h("dl", { class: "reasons" }, found.map(entry)));
    main.append(...[about, others].filter(Boolean));
  }

  return () => {};
}

function entry(each) {
  return h("div", {}, h("dt", {}, linked(each.reason), h("span", { class: "dim" }, ` ${KINDS[each.of]}`)), h("dd", {}, code(each.means), " ", code(each.remedy)));
}
