// What people may ask for on a rollout's page: buttons, a dialog for the reason, and what came of it.

import { h, say } from "./dom.js";
import { moment, percent } from "./format.js";

const ASKS = {
  approve: { label: "Approve", look: "go", title: (data) => `Approve step ${data.row.step}?`, effect: () => "It continues with its next step once every rule has passed." },
  hold: { label: "Hold", look: "", title: () => "Hold this rollout?", effect: () => "Nothing moves and no rule undoes it until somebody resumes it." },
  resume: { label: "Resume", look: "go", title: () => "End the hold?", effect: () => "It goes on, unless the cause of the hold persists." },
  undo: { label: "Undo", look: "danger", title: () => "Undo this rollout?", effect: (data) => `It goes back to ${data.stable}.` },
};
const OUTCOMES = { Pending: "waiting for the sentinel", Done: "done", Refused: "refused" };

// Who looks at the page, and whether they may write in this namespace.
export async function session(namespace) {
  try {
    const answer = await fetch(`/ui/api/session?${new URLSearchParams({ namespace })}`);
    return answer.ok ? await answer.json() : { offered: false };
  } catch {
    return { offered: false };
  }
}

// The buttons that apply, and everything that was asked for; nothing where nobody may write and nobody has asked.
export function asks(data, who, open) {
  const asked = [...data.commands].reverse();
  const can = who.may && data.offered.length > 0;
  if (!can && !asked.length && !(who.offered && data.row.live)) return [];
  return [
    h("h2", {}, "Commands"),
    who.offered && h("div", { class: "asks" },
      can && data.offered.filter((action) => action in ASKS).map((action) => h("button", { type: "button", class: ASKS[action].look, "data-key": action, onclick: () => open(action) }, ASKS[action].label)),
      h("span", { class: "dim small" }, can ? `as ${who.user}` : who.may ? `${who.user} may write here; nothing applies now.` : who.why)),
    asked.length > 0 && h("ul", { class: "commands" }, asked.map(line)),
  ];
}

function line(one) {
  const look = { Refused: "bad", Done: "good" }[one.phase] ?? "dim";
  return h("li", {},
    h("b", {}, one.action), ` by ${one.requested_by}`, one.reason && `: ${one.reason}`, h("span", { class: "dim small" }, ` ${moment(one.at)}`),
    h("div", { class: `outcome ${look}` }, `${OUTCOMES[one.phase] ?? one.phase}${one.message ? `: ${one.message}` : ""}`));
}

// A dialog for one action at a time; `newest()` is the rollout as it is shown. Returns what opens it.
export function asking(main, path, newest) {
  const title = h("h2", { id: "ask-title" });
  const effect = h("p", { id: "ask-effect" });
  const where = h("p", { class: "dim brief" });
  const reason = h("textarea", { id: "ask-reason", rows: "3", maxlength: "400", required: true });
  const wrong = h("p", { class: "outcome bad", role: "alert" });
  const cancel = h("button", { type: "button", onclick: () => box.close() }, "Cancel");
  const send = h("button", { type: "submit" });
  const form = h("form", { onsubmit: submit }, title, effect, where,
    h("label", { for: "ask-reason" }, "Reason, for the record and the notices"), reason, wrong, h("div", { class: "asks" }, send, cancel));
  const box = h("dialog", { "aria-labelledby": "ask-title", "aria-describedby": "ask-effect" }, form);
  let body = {};
  main.append(box);

  function open(action) {
    const data = newest();
    const given = ASKS[action];
    title.textContent = given.title(data);
    effect.textContent = given.effect(data);
    where.textContent = `${data.row.name} is ${data.row.standing}, at ${percent(data.row.weight)} of its pods. ${data.row.message}`;
    send.textContent = given.label;
    send.className = given.look;
    reason.value = "";
    wrong.textContent = "";
    // The same press, sent again, is the same command.
    const once = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    body = { action, once, ...(action === "approve" ? { step: data.row.step } : {}) };
    box.showModal();
    reason.focus();
  }

  async function submit(event) {
    event.preventDefault();
    send.disabled = true;
    try {
      await post(path, { ...body, reason: reason.value.trim() });
      box.close();
      say(`${ASKS[body.action].label}: asked for`);
    } catch (error) {
      wrong.textContent = error.message;
    }
    send.disabled = false;
  }

  return open;
}

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", redirect: "manual", headers: { "Content-Type": "application/json", "X-Rollback-Sentinel": "page" }, body: JSON.stringify(body) });
  } catch {
    throw new Error("Nothing was done: the daemon cannot be reached.");
  }
  if (answer.status === 202) return;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.error ? `Nothing was done: ${told.error}` : "Nothing was done: the proxy did not let it through. Reload the page to log in again.");
}
