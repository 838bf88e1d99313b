// The history: every rollout on record, searched on the server, a page at a time.

import { h } from "./dom.js";
import { age, amount, at, moment } from "./format.js";
import { revision, standing, workload } from "./rows.js";

const PAGE = 100;

export function history(main) {
  let skip = 0;
  let asked = 0;
  const given = new URLSearchParams(location.search).get("q") ?? "";
  let waiting = null;

  const search = h("input", { type: "search", value: given, placeholder: "Search: workload, image, reason, Undone", "aria-label": "Search the rollouts on record", oninput: later });
  const tally = h("p", { class: "dim", role: "status" });
  const body = h("tbody");
  const empty = h("p", { class: "empty" });
  const before = h("button", { type: "button", onclick: () => turn(-PAGE) }, "Newer");
  const after = h("button", { type: "button", onclick: () => turn(PAGE) }, "Older");
  const pages = h("div", { class: "pages" }, before, after);
  const titles = [["Workload", ""], ["Standing", ""], ["Started", "nowrap wide"], ["Took", "number"], ["Revision", "wide"], ["Reason", "wide"]];
  main.append(
    h("div", { class: "head" }, h("h1", {}, "History"), tally, h("span", { class: "grow" }), search),
    h("section", { class: "sheet", "aria-label": "Rollouts on record" },
      h("table", { class: "board" }, h("thead", {}, h("tr", {}, titles.map(([title, look]) => h("th", { scope: "col", class: look }, title)))), body), empty, pages),
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
      const answer = await fetch(`/ui/api/history?${query}`);
      found = await answer.json();
      if (!answer.ok) throw new Error(found.error);
    } catch (error) {
      if (mine === asked) tally.textContent = `The history cannot be read: ${error.message}`;
      return;
    }
    if (mine === asked) draw(found);
  }

  function draw(found) {
    body.replaceChildren(...found.rows.map(line));
    tally.textContent = amount(found.total, "rollout");
    empty.textContent = search.value ? "No rollout on record matches." : "No rollout is on record.";
    empty.hidden = found.total > 0;
    pages.hidden = found.total <= PAGE;
    before.disabled = skip === 0;
    after.disabled = skip + PAGE >= found.total;
  }

  function line(row) {
    const took = row.ended_at ? age(at(row.ended_at) - at(row.started_at)) : "in flight";
    return h("tr", {},
      h("td", {}, workload(row)),
      h("td", { class: "nowrap" }, standing(row.standing)),
      h("td", { class: "nowrap wide" }, moment(row.started_at)),
      h("td", { class: "number" }, took),
      h("td", { class: "wide" }, revision(row)),
      h("td", { class: "wide" }, row.reason),
    );
  }

  load();
  return () => clearTimeout(waiting);
}
