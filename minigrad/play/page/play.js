// The frame of the playground: the connection to minigrad, the tabs, the address, and copying.
// What a scene shows is drawn by the module that has its name; it computes nothing.

import { answered, bindControls, fillControls, fillValues, sendWaiting } from "./common.js";

const byId = (id) => document.getElementById(id);
const main = byId("scene");
const AGAIN = 1000; // milliseconds until the next try to reach the server
const ADDRESS_EVERY = 350; // browsers refuse to change the address more often than a hundred times in 30 seconds

let socket = null;
let scene = null; // {name, draw}: what is in the document
let newest = null; // the newest frame
let onPython = null; // what to do with the script when it arrives

// ---- the connection ------------------------------------------------------------------------------------

function sendNow(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

// Any message; what waits to be sent goes first.
function send(message) {
  sendWaiting();
  sendNow(message);
}

function connect() {
  socket = new WebSocket(`ws://${location.host}/session`);
  socket.onopen = () => {
    refuse("");
    send({ do: "open", address: newest?.address ?? location.hash.slice(1) });
    send({ do: "drawn" });
  };
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = () => {
    if (!byId("refused").dataset.full) refuse("minigrad does not answer: is the command still running? Trying again.");
    setTimeout(connect, AGAIN);
  };
}

function receive(message) {
  if (message.frame) show(message.frame);
  else if (message.refused !== undefined) {
    refuse(message.refused);
    answered();
  } else if (message.full) {
    refuse(message.full);
    byId("refused").dataset.full = "yes";
  } else if (message.python !== undefined) onPython?.(message.python);
}

function refuse(text) {
  delete byId("refused").dataset.full;
  if (byId("refused").textContent !== text) byId("refused").textContent = text;
}

// ---- frames --------------------------------------------------------------------------------------------

async function show(frame) {
  newest = frame;
  const module = await import(`./${frame.scene}.js`);
  requestAnimationFrame(() => {
    if (frame === newest) {
      if (scene?.name !== frame.scene) build(frame, module);
      draw(frame);
    }
    sendNow({ do: "drawn" });
    answered();
  });
}

function build(frame, module) {
  main.replaceChildren();
  scene = { name: frame.scene, draw: module.build(main, send) };
  main.querySelector("h1").textContent = frame.title;
  main.className = frame.scene;
  document.title = `${frame.title} | minigrad play`;
  for (const tab of byId("tabs").children) {
    const chosen = tab.dataset.scene === frame.scene;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) main.setAttribute("aria-label", tab.textContent);
  }
}

function draw(frame) {
  refuse(frame.notes.join(" "));
  fillControls(main, frame.controls);
  scene.draw(frame);
  fillValues(main, frame.values);
  keepAddress();
}

// ---- the address ---------------------------------------------------------------------------------------

let lastAddress = 0;
let waiting = null;

function keepAddress() {
  const since = performance.now() - lastAddress;
  clearTimeout(waiting);
  if (since < ADDRESS_EVERY) {
    waiting = setTimeout(keepAddress, ADDRESS_EVERY - since);
    return;
  }
  lastAddress = performance.now();
  if (location.hash.slice(1) !== newest.address) history.replaceState(null, "", `#${newest.address}`);
}

addEventListener("hashchange", () => send({ do: "open", address: location.hash.slice(1) }));

// ---- tabs ----------------------------------------------------------------------------------------------

byId("tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) send({ do: "scene", name: tab.dataset.scene });
});

byId("tabs").addEventListener("keydown", (event) => {
  const tabs = [...byId("tabs").children];
  const at = tabs.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const tab = tabs.at(to % tabs.length);
  tab.focus();
  tab.click();
});

// ---- copying -------------------------------------------------------------------------------------------

async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    byId("shown").hidden = true;
    byId("said").textContent = said;
  } catch {
    byId("said").textContent = "";
    byId("shown").hidden = false;
    byId("text").value = text;
    byId("text").focus();
    byId("text").select();
  }
  setTimeout(() => (byId("said").textContent = ""), 4000);
}

byId("copy-link").addEventListener("click", () => {
  const address = newest ? `#${newest.address}` : location.hash;
  copy(location.origin + location.pathname + address, "The link is copied: it opens what you see now.");
});

byId("copy-python").addEventListener("click", () => {
  onPython = (text) => copy(text, `A script of ${text.split("\n").length - 1} lines is copied: it makes the same run.`);
  send({ do: "python" });
});

byId("hide").addEventListener("click", () => {
  byId("shown").hidden = true;
  byId("copy-link").focus();
});

// ---- begin ---------------------------------------------------------------------------------------------

bindControls(main, sendNow);
connect();
