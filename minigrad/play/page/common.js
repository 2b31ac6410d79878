// What the scenes share: elements, controls that follow the state, and numbers with their exact text.

const SVG = "http://www.w3.org/2000/svg";

// An SVG element with attributes and children.
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// The elements of a template: a fragment of HTML that is written in a module, never one made of data.
export function html(text) {
  const template = document.createElement("template");
  template.innerHTML = text;
  return template.content;
}

// ---- numbers -------------------------------------------------------------------------------------------

// Every element with data-value="name" shows that number, and says it exactly in data-exact.
export function fillValues(root, values) {
  for (const element of root.querySelectorAll("[data-value]")) {
    const [text, exact] = values[element.dataset.value] ?? ["–", ""];
    if (element.dataset.exact === exact && element.textContent) continue;
    element.dataset.exact = exact;
    element.dataset.sign = signOf(Number(exact));
    if (element.localName !== "input") element.textContent = text;
    else {
      element.dataset.shown = text;
      if (element !== document.activeElement) element.value = text;
    }
  }
}

const signOf = (number) => (number > 0 ? "plus" : number < 0 ? "minus" : "");

// ---- controls ------------------------------------------------------------------------------------------

// A slider moves faster than a run is computed. So of what follows each other quickly only the newest is sent, when the
// last one is answered; and at once before any other message.
const newest = new Map();
let send = () => {};
let unanswered = false;

export function sendNewest(key, message) {
  newest.set(key, message);
  if (!unanswered) requestAnimationFrame(sendWaiting);
}

export function sendWaiting() {
  for (const message of newest.values()) send(message);
  unanswered ||= newest.size > 0;
  newest.clear();
}

export function answered() {
  unanswered = false;
  sendWaiting();
}

// Every element with data-control="name" is that control of the scene, every button with data-act one of its actions.
export function bindControls(root, sendNow) {
  send = sendNow;
  const note = ({ target }) => {
    const name = target.dataset.control;
    if (name) sendNewest(name, { do: "set", name, value: valueOf(target) });
  };
  root.addEventListener("input", (event) => {
    if (!isHalfWritten(event.target)) note(event);
  });
  root.addEventListener("change", (event) => {
    if (isHalfWritten(event.target)) note(event); // it is refused, with a sentence that says what is wrong
  });
  root.addEventListener("focusout", (event) => {
    if (event.target.dataset.shown) event.target.value = event.target.dataset.shown;
  });
  root.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.type === "checkbox") event.target.click();
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (!button) return;
    sendWaiting();
    send({ do: "act", action: button.dataset.act });
  });
}

// A number on its way, as "-" or "1e"; nobody wants to hear about it before it is finished.
function isHalfWritten(element) {
  const written = element.type === "number" || element.inputMode === "decimal";
  return written && (element.value.trim() === "" || Number.isNaN(Number(element.value)));
}

function valueOf(element) {
  return element.type === "checkbox" ? element.checked : element.value;
}

// Shows the state in the controls, but for the field that somebody is writing in.
export function fillControls(root, controls) {
  for (const element of root.querySelectorAll("[data-control]")) {
    const value = controls[element.dataset.control];
    if (value === undefined || "value" in element.dataset) continue;
    if (element.type === "checkbox") element.checked = value;
    else if (element !== document.activeElement && element.value !== String(value)) element.value = value;
  }
}

// ---- what is often drawn -------------------------------------------------------------------------------

// The text of the live region; a screen reader hears it when nothing moves any more.
export function sayNow(element, text, running) {
  element.setAttribute("aria-live", running ? "off" : "polite");
  if (element.textContent !== text) element.textContent = text;
}

// The button that starts a run and stops it.
export function showRunning(button, running) {
  const text = running ? "stop" : "run";
  if (button.textContent !== text) button.textContent = text;
  button.dataset.act = running ? "stop" : "run";
}

export const calm = matchMedia("(prefers-reduced-motion: reduce)");
