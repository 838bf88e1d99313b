// Which page is shown, who answers, and whether what is shown is live.

import { board } from "./board.js";
import { delivery } from "./delivery.js";
import { h } from "./dom.js";
import { history, workloads } from "./lists.js";
import { reasons } from "./reasons.js";
import { rollout } from "./rollout.js";
import { follow } from "./stream.js";

const main = document.getElementById("main");
const line = document.getElementById("line");
const remarks = document.getElementById("remarks");
let leave = () => {};

function daemon(now) {
  const who = now.leads ? `${now.replica} leads` : `${now.replica} stands by: what is shown is up to a minute old`;
  const cluster = now.cluster ? `${now.cluster} · ` : "";
  line.textContent = `${cluster}live · ${who} · ${now.mode} · ${now.version}`;
  line.className = "line";
  const said = JSON.stringify(now.remarks);
  if (remarks.dataset.said !== said) {
    remarks.dataset.said = said;
    remarks.replaceChildren(...now.remarks.map((text) => h("p", {}, text)));
  }
}

function lost() {
  line.textContent = "no connection: what is shown is no longer live; trying again";
  line.className = "line lost";
}

const context = {
  follow: (query, handlers) =>
    follow(query, { ...handlers, daemon: (now) => { daemon(now); handlers.daemon?.(now); } }, (connected) => connected || lost()),
};

function show() {
  leave();
  main.replaceChildren();
  const path = location.pathname;
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  document.title = "Rollback Sentinel";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.pathname === path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (parts[1] === "rollouts" && parts.length === 4) leave = rollout(main, context, parts[2], parts[3]);
  else if (parts[1] === "history") leave = both(history(main), context.follow("?about=daemon", {}));
  else if (parts[1] === "delivery") leave = both(delivery(main), context.follow("?about=daemon", {}));
  else if (parts[1] === "workloads") leave = both(workloads(main), context.follow("?about=daemon", {}));
  else if (parts[1] === "reasons") leave = both(reasons(main, parts[2]), context.follow("?about=daemon", {}));
  else leave = board(main, context);
}

function both(...ends) {
  return () => ends.forEach((end) => end());
}

// Links between the pages need no new document.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.origin !== location.origin || !link.pathname.startsWith("/ui/") || link.hash) return;
  event.preventDefault();
  window.history.pushState(null, "", link.href);
  show();
  main.focus();
  window.scrollTo(0, 0);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input")) return;
  const search = main.querySelector("input[type=search]");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});
window.addEventListener("popstate", show);
show();
