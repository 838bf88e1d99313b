// The board: what is in flight or still guarded, live.

import { h, say } from "./dom.js";
import { amount } from "./format.js";
import { revision, since, standing, step, weight, why, workload } from "./rows.js";

const PAGE = 100;
const FEW = 5;

const COLUMNS = [
  ["Workload", "", (row) => workload(row)],
  ["Standing", "", (row) => [standing(row.standing), h("div", { class: "sub narrow" }, [step(row), row.reason].filter(Boolean).join(" · "))]],
  ["Weight", "nowrap wide", (row) => [weight(row), h("div", { class: "sub" }, step(row))]],
  ["Revision", "wide", (row) => revision(row)],
  ["Age", "number", (row, now) => since(row, now)],
  ["Why", "why wide", (row) => why(row)],
];

// As strings of digits and names go: localeCompare takes ten times as long, and there may be thousands.
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

export function board(main, context) {
  const rows = new Map();
  const shown = new Map();
  const news = [];
  let page = 0;
  let due = 0;
  let now = Date.now() / 1000;

  const search = h("input", { type: "search", placeholder: "Filter: workload, image, reason", "aria-label": "Filter the rollouts", oninput: () => draw(true) });
  const tally = h("p", { class: "dim", role: "status" });
  const body = h("tbody");
  const empty = h("p", { class: "empty" });
  const before = h("button", { type: "button", onclick: () => turn(-1) }, "Newer");
  const after = h("button", { type: "button", onclick: () => turn(1) }, "Older");
  const where = h("span");
  const pages = h("div", { class: "pages" }, where, before, after);
  const head = h("tr", {}, COLUMNS.map(([title, look]) => h("th", { scope: "col", class: look }, title)));
  main.append(
    h("div", { class: "head" }, h("h1", {}, "In flight"), tally, h("span", { class: "grow" }), search),
    h("section", { class: "sheet", "aria-label": "Rollouts" }, h("table", { class: "board" }, h("thead", {}, head), body), empty, pages),
  );

  // What comes in together is drawn once.
  function soon() {
    due ||= requestAnimationFrame(() => {
      due = 0;
      draw(false);
    });
  }

  function turn(by) {
    page += by;
    draw(false);
  }

  function chosen() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = [...rows.values()].sort((a, b) => b.in_flight - a.in_flight || order(b.started_at, a.started_at) || order(a.id, b.id));
    if (!words.length) return all;
    return all.filter((row) => {
      const text = [row.id, row.kind, row.standing, row.policy, row.reason, row.message, row.revision, ...row.images].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  function draw(first) {
    if (first) page = 0;
    const all = chosen();
    const last = Math.max(0, Math.ceil(all.length / PAGE) - 1);
    page = Math.min(page, last);
    const part = all.slice(page * PAGE, (page + 1) * PAGE);
    // Rows keep their elements, so that nothing jumps and the focus stays where it is.
    const wanted = part.map((row) => line(row));
    wanted.forEach((element, index) => {
      if (body.children[index] !== element) body.insertBefore(element, body.children[index] ?? null);
    });
    while (body.children.length > wanted.length) body.lastElementChild.remove();
    empty.textContent = all.length ? "" : rows.size ? "No rollout matches the filter." : "Nothing is in flight.";
    empty.hidden = all.length > 0;
    pages.hidden = last === 0;
    where.textContent = `${page * PAGE + 1} to ${page * PAGE + part.length} of ${all.length.toLocaleString("en")}`;
    before.disabled = page === 0;
    after.disabled = page === last;
    tally.textContent = told();
    tell();
  }

  // A few changes are announced by name and shown to the eye; many at once would only be noise, and slow.
  function tell() {
    const found = news.splice(0);
    if (found.length > FEW) say(`${found.length} rollouts have another standing now`);
    if (!found.length || found.length > FEW) return;
    say(found.map(({ row }) => `${row.name} in ${row.namespace}: ${row.standing}`).join(". "));
    for (const { element } of found) {
      element.classList.remove("fresh");
      requestAnimationFrame(() => element.classList.add("fresh"));
    }
  }

  function told() {
    const moving = [...rows.values()].filter((row) => row.in_flight);
    const held = moving.filter((row) => row.standing === "Held").length;
    const guarded = rows.size - moving.length;
    return [amount(moving.length, "rollout") + (held ? `, ${held.toLocaleString("en")} held` : ""), guarded && `${guarded.toLocaleString("en")} promoted and still guarded`]
      .filter(Boolean)
      .join(" · ");
  }

  function line(row) {
    let known = shown.get(row.id);
    if (!known) {
      known = { element: h("tr", {}, COLUMNS.map(([, look]) => h("td", { class: look }))), row: null, at: 0 };
      shown.set(row.id, known);
    }
    if (known.row !== row) fill(known, row);
    else if (now - known.at >= 1) known.element.children[4].replaceChildren(since(row, now));
    known.at = now;
    return known.element;
  }

  function fill(known, row) {
    COLUMNS.forEach(([, , show], index) => {
      const cell = known.element.children[index];
      const made = [show(row, now)].flat(2).filter(Boolean);
      const same = index === 0 && known.row !== null && known.row.name === row.name;
      if (!same) cell.replaceChildren(...made);
    });
    if (known.row && known.row.standing !== row.standing) news.push({ row, element: known.element });
    known.row = row;
  }

  function changed(data) {
    if (data.whole) {
      rows.clear();
      shown.clear();
      body.replaceChildren();
    }
    for (const row of data.rows) rows.set(row.id, row);
    for (const id of data.gone) {
      rows.delete(id);
      shown.delete(id);
    }
    soon();
  }

  draw(false);
  const end = context.follow("", {
    board: changed,
    daemon: (daemon) => {
      now = Date.parse(daemon.now) / 1000;
      soon();
    },
  });
  return () => {
    cancelAnimationFrame(due);
    end();
  };
}
