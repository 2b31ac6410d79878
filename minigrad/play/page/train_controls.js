// The settings of the training scene: data, layers, first weights, and how it is trained.

import { html } from "./common.js";

const TABLE = "table";
const LAYOUT = `
  <fieldset><legend>data</legend>
    <label class="pick">set <select data-testid="data" data-control="data" data-choices="data"></select></label>
    <label class="pick">inputs <select data-testid="scale" data-control="scale" data-choices="scale"></select></label>
    <p class="hint" id="sizes"></p>
    <details id="paste"><summary>paste a table (CSV)</summary>
      <label for="table">Columns of numbers, the class in the last one; a first line of names may be there.</label>
      <textarea id="table" data-testid="table" rows="5" spellcheck="false" placeholder="height,width,kind&#10;1.2,0.4,cup&#10;0.3,2.1,plate"></textarea>
      <button id="use" data-testid="use-table">use this table</button>
    </details>
  </fieldset>
  <fieldset><legend>layers</legend>
    <ol class="rows" id="rows"></ol>
    <div class="line-of">
      <button data-testid="add-layer" id="more">add a layer</button>
      <button data-testid="remove-layer" id="fewer">remove the last</button>
    </div>
    <label class="pick">all hidden <select data-testid="activation" id="all"></select></label>
  </fieldset>
  <fieldset><legend>start</legend>
    <label class="pick">first weights <select data-testid="init" data-control="init" data-choices="init"></select></label>
    <label class="pick">seed <input type="number" min="0" step="1" data-testid="seed" data-control="seed"></label>
  </fieldset>
  <fieldset><legend>training</legend>
    <label class="pick">loss <select data-testid="loss" data-control="loss" data-choices="loss"></select></label>
    <label class="pick">optimiser <select data-testid="optimizer" data-control="optimizer" data-choices="optimizer"></select></label>
    <span class="pick"><label for="rate">lr</label> <input id="rate" type="number" min="0" step="any" data-testid="lr" data-control="lr">
      <span><button class="small" data-times="0.5" aria-label="half the lr">÷2</button><button class="small" data-times="2" aria-label="twice the lr">×2</button></span></span>
    <label class="pick" id="momentum">momentum <input type="number" min="0" max="0.999" step="0.1" data-testid="momentum" data-control="momentum"></label>
    <label class="pick">samples in a batch <input type="number" min="1" max="2048" step="1" data-testid="batch" data-control="batch"></label>
  </fieldset>`;

export function makeSettings(root, send) {
  const find = (selector) => root.querySelector(selector);
  find("#controls").append(html(LAYOUT));
  const set = (name, value) => send({ do: "set", name, value });
  let now = null; // the controls of the newest frame

  // Before the listener of the page sees it: without a table there is nothing to be set yet.
  find("[data-testid=data]").addEventListener("input", (event) => {
    if (event.target.value !== TABLE || now.table) return;
    event.stopPropagation();
    event.target.value = now.data;
    find("#paste").open = true;
    find("#table").focus();
  });
  find("#use").addEventListener("click", () => set("table", find("#table").value));
  find("#more").addEventListener("click", () => set("layers", String(now.hidden.length + 1)));
  find("#fewer").addEventListener("click", () => set("layers", String(now.hidden.length - 1)));
  find("#all").addEventListener("input", (event) => event.target.value && set("activation", event.target.value));
  find("#controls").addEventListener("click", (event) => {
    const { times } = event.target.dataset;
    if (times) set("lr", String(Number(now.lr) * times));
  });

  const choices = makeChoices(root);
  const rows = makeRows(find("#rows"));
  let filled = null;
  return (view, controls) => {
    now = controls;
    choices(view.choices, controls);
    rows(view, controls);
    const kinds = new Set(controls.hidden.map(([, kind]) => kind));
    choose(find("#all"), kinds.size === 1 ? [...kinds][0] : "");
    choose(find("#sample"), String(controls.sample));
    find("#all").disabled = controls.hidden.length === 0;
    find("#fewer").disabled = controls.hidden.length === 0;
    find("#more").disabled = controls.hidden.length >= view.limits.layers;
    find("#momentum").hidden = controls.optimizer !== "sgd";
    const { train, test, features, classes } = view.data;
    find("#sizes").textContent =
      `${features} features, ${classes.length} classes; ${train} samples to train on, ${test ? `${test} held out` : "none held out"}`;
    if (filled !== controls.table) find("#table").value = filled = controls.table;
  };
}

function choose(select, value) {
  if (select !== document.activeElement && select.value !== value) select.value = value;
}

// Fills the lists with what minigrad has, when that changes.
function makeChoices(root) {
  const last = new Map();
  return (choices, controls) => {
    const lists = [...root.querySelectorAll("[data-choices]")].map((select) => [select, choices[select.dataset.choices]]);
    lists.push([root.querySelector("#all"), [["", "mixed"], ...choices.activation]], [root.querySelector("#sample"), choices.sample]);
    for (const [select, options] of lists) fill(last, select, options, controls);
  };
}

function fill(last, select, options, controls) {
  const key = JSON.stringify(options);
  if (last.get(select) === key) return;
  last.set(select, key);
  const value = controls[select.dataset.control] ?? select.value;
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  select.value = value;
}

// One row a layer: the inputs, each hidden layer, the output.
function makeRows(list) {
  let built = "";
  return (view, controls) => {
    const { hidden } = controls;
    const key = `${hidden.length} ${view.choices.activation.length}`;
    if (built !== key) {
      built = key;
      list.replaceChildren(...hidden.map((_, i) => hiddenRow(i + 1, view.choices.activation)), outputRow(view.choices.activation));
    }
    hidden.forEach(([width, kind], i) => {
      const [number, select] = list.children[i].querySelectorAll("input, select");
      if (number !== document.activeElement) number.value = width;
      choose(select, kind);
      list.children[i].style.setProperty("--kind", `var(--${kind.replaceAll("_", "-")})`);
    });
    const last = list.lastElementChild;
    last.querySelector(".width").textContent = view.data.classes.length;
    choose(last.querySelector("select"), controls.output);
    last.style.setProperty("--kind", `var(--${controls.output.replaceAll("_", "-")})`);
  };
}

function hiddenRow(number, kinds) {
  const row = document.createElement("li");
  const width = document.createElement("input");
  Object.assign(width, { type: "number", min: 1, max: 64, step: 1 });
  width.dataset.control = `width-${number}`;
  width.dataset.testid = `width-${number}`;
  width.setAttribute("aria-label", `width of hidden layer ${number}`);
  row.append(`hidden ${number}`, width, kindSelect(`activation-${number}`, `activation of hidden layer ${number}`, kinds));
  return row;
}

function outputRow(kinds) {
  const row = document.createElement("li");
  const width = document.createElement("span");
  width.className = "width";
  row.append("output", width, kindSelect("output", "activation of the output", kinds));
  return row;
}

function kindSelect(control, label, kinds) {
  const select = document.createElement("select");
  select.dataset.control = control;
  select.dataset.testid = control;
  select.setAttribute("aria-label", label);
  select.append(...kinds.map(([value, text]) => new Option(text, value)));
  return select;
}
