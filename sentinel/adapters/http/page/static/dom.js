// Builds elements. Texts become text nodes and nothing else, whatever they contain.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, given = {}, ...children) {
  return furnish(document.createElement(tag), given, children);
}

export function s(tag, given = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), given, children);
}

function furnish(element, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

// Replaces what an element contains where `data` has changed; what was open stays open, and what had the focus keeps it.
export function refresh(element, data, build) {
  const key = JSON.stringify(data);
  if (element.drawnFrom === key) return;
  const open = new Set([...element.querySelectorAll("details[open][data-key]")].map((one) => one.dataset.key));
  const focused = element.contains(document.activeElement) ? document.activeElement.closest("[data-key]")?.dataset.key : null;
  element.replaceChildren(...[build(data)].flat(3).filter(Boolean));
  element.hidden = element.childElementCount === 0;
  for (const one of element.querySelectorAll("details[data-key]")) one.open = open.has(one.dataset.key);
  if (focused) [...element.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused)?.focus();
  element.drawnFrom = key;
}

// Words in backticks as code.
export function code(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

// Announces a change to people who do not see it.
export function say(text) {
  document.getElementById("said").textContent = text;
}
