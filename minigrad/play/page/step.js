// Scene 2, one step of a small net: its numbers in two tables, a drawing of the net, and what is computed now.

import { html, sayNow, svg } from "./common.js";

const LAYERS = ["0", "2"];
const HEIGHT = 150; // of the drawing, which is 400 wide
const COLUMNS = [50, 200, 350]; // of its units
const NUDGE = { ArrowUp: 0.1, ArrowDown: -0.1 }; // of a number that has the focus
const DRAG = 0.01; // of a number, for a pixel

const LAYOUT = `
  <h1></h1>
  <div class="pictures">
    <figure class="net"></figure>
    <div id="layers"></div>
    <p class="target"><span id="targets"></span> <span class="loss">loss <button class="num" data-value="loss"></button></span></p>
  </div>
  <div class="side">
    <p class="sentence" id="sentence" aria-live="polite"></p>
    <div class="buttons">
      <button data-testid="back" data-act="back" aria-label="back by one layer">‹ back</button>
      <button data-testid="next" data-act="next" aria-label="next layer">next ›</button>
      <button data-testid="whole-step" data-act="whole-step">whole step</button>
      <button data-testid="reset" data-act="reset">reset</button>
    </div>
    <ol class="phases" id="phases"></ol>
    <section class="card" aria-label="written out">
      <p class="pointed" id="pointed">Point at a number, or give it the focus: here it says how it is computed.</p>
      <ul id="lines"></ul>
    </section>
    <table class="letters"><caption>the same in three texts</caption><tbody id="letters"></tbody></table>
    <fieldset><legend>the net</legend>
      <label class="pick">units <select data-testid="net" data-control="net"><option>2-3-2</option><option>2-3-1</option><option>2-2-1</option></select></label>
      <label class="pick">activation <select data-testid="activation" data-control="activation"><option>sigmoid</option><option>tanh</option><option>relu</option></select></label>
      <label class="pick">lr <input type="number" min="0.000001" step="any" data-testid="lr" data-control="lr"></label>
      <label class="pick">samples <select data-testid="samples" data-control="samples"><option>1</option><option>2</option><option>3</option><option>4</option></select></label>
      <label class="pick" id="which">shown is <select data-testid="sample" data-control="sample"></select></label>
    </fieldset>
    <p class="numbers"><span>steps <span data-value="steps"></span></span>
      <span id="after">loss after the step <button class="num" data-value="loss-after"></button></span></p>
  </div>`;

const sub = (...numbers) => numbers.map((number) => "₁₂₃₄₅₆₇₈₉"[number]).join("");

export function build(root, send) {
  root.append(html(LAYOUT));
  const find = (selector) => root.querySelector(selector);
  let shown = ""; // the net whose tables are in the document
  let drawing = null;
  let last = null;
  const point = (event) => {
    const element = event.target.closest?.("[data-value], [data-edge]");
    if (element && last) light(root, last, element.dataset.value ?? element.dataset.edge);
  };
  root.addEventListener("pointerover", point);
  root.addEventListener("focusin", point);
  makeDraggable(root);
  return ({ view, values, controls }) => {
    last = view;
    if (shown !== String(view.sizes)) {
      shown = String(view.sizes);
      find("#layers").replaceChildren(...LAYERS.map((layer) => table(layer, view.shapes[layer])));
      find("#targets").replaceChildren(...Array.from({ length: view.sizes[2] }, (_, k) => target(k)));
      drawing = makeDrawing(find(".net"), view.sizes);
    }
    sayNow(find("#sentence"), view.sentence, false);
    find("[data-act=back]").disabled = view.first;
    find("#after").hidden = !view.updated;
    list(find("#phases"), view.phases, (item, text) => {
      if (text === view.phase) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
    list(find("#lines"), view.lines);
    find("#letters").replaceChildren(...view.letters.map(row));
    which(find("#which"), view.samples, controls.sample);
    drawing(view, values);
    mark(root, view);
  };
}

// ---- the tables ----------------------------------------------------------------------------------------

// A number that is computed: a button, so that it can have the focus and be touched.
function number(name) {
  const button = document.createElement("button");
  button.className = "num";
  button.dataset.value = name;
  return button;
}

// A number that can be changed.
function field(name, label) {
  const input = document.createElement("input");
  Object.assign(input, { type: "text", inputMode: "decimal", className: "num", autocomplete: "off", spellcheck: false });
  Object.assign(input.dataset, { value: name, control: name });
  input.setAttribute("aria-label", label);
  return input;
}

function cell(kind, ...children) {
  const element = document.createElement(kind);
  element.append(...children);
  return element;
}

function labelled(text, element) {
  const label = document.createElement("span");
  label.className = "label";
  label.textContent = text;
  return [label, element];
}

// One layer: above its inputs, then the weights with z to the right, then delta to the left of the gradient.
function table(layer, [K, J]) {
  const hidden = layer === "0";
  const element = document.createElement("table");
  element.className = "layer";
  const caption = cell("caption", hidden ? "layer 0: from the inputs to the hidden layer" : "layer 2: from the hidden layer to the output");
  const input = (j) =>
    hidden ? labelled(`x${sub(j)}`, field(`x.${j}`, `input ${j + 1}`)) : labelled(`a${sub(j)}`, number(`a.0.${j}`));
  const each = (count, make) => Array.from({ length: count }, (_, i) => make(i));
  const head = cell("tr", cell("td"), ...each(J, (j) => cell("th", ...input(j))), cell("th", "bias"), cell("th", hidden ? "z" : "out"));
  const forward = each(K, (k) =>
    cell(
      "tr",
      cell("th", `${k === 0 ? "W" : ""}`),
      ...each(J, (j) => cell("td", field(`w.${layer}.${k}.${j}`, `weight ${k + 1}, ${j + 1} of layer ${layer}`))),
      cell("td", field(`b.${layer}.${k}`, `bias ${k + 1} of layer ${layer}`)),
      cell("td", ...labelled(`${hidden ? "z" : "out"}${sub(k)}`, number(`z.${layer}.${k}`))),
    ),
  );
  const back = each(K, (k) =>
    cell(
      "tr",
      cell("th", ...labelled(hidden ? `delta${sub(k)}` : `delta_out${sub(k)}`, number(`delta.${layer}.${k}`))),
      ...each(J, (j) => cell("td", number(`g.${layer}.${k}.${j}`))),
      cell("td", number(`gb.${layer}.${k}`)),
      cell("td", k === 0 ? "dC/dW" : ""),
    ),
  );
  element.append(caption, cell("thead", head), cell("tbody", ...forward), cell("tbody", ...back));
  element.tBodies[1].className = "back";
  return element;
}

function target(k) {
  const label = document.createElement("label");
  label.append(`target y${sub(k)} `, field(`y.${k}`, `target ${k + 1}`), " ");
  return label;
}

function list(element, texts, each = () => {}) {
  while (element.children.length > texts.length) element.lastChild.remove();
  while (element.children.length < texts.length) element.append(document.createElement("li"));
  texts.forEach((text, i) => {
    if (element.children[i].textContent !== text) element.children[i].textContent = text;
    each(element.children[i], text);
  });
}

function row([who, text]) {
  return cell("tr", cell("th", who), cell("td", text));
}

// The choice of the sample that is shown, where there are several.
function which(label, samples, shown) {
  label.hidden = samples === 1;
  const select = label.querySelector("select");
  if (select.options.length !== samples) {
    select.replaceChildren(...Array.from({ length: samples }, (_, n) => new Option(n + 1)));
  }
  select.value = shown;
}

// ---- what is known, in focus, and pointed at -----------------------------------------------------------

function mark(root, { reached, focus, moved, spelled }) {
  const known = new Set(reached);
  const now = new Set(focus);
  for (const element of root.querySelectorAll("[data-value]")) {
    const name = element.dataset.value;
    if (!(name in spelled)) continue;
    element.classList.toggle("ahead", !known.has(name) && !now.has(name));
    element.classList.toggle("focus", now.has(name));
    if (element.localName === "button") element.setAttribute("aria-label", spelled[name]);
    const by = moved[name];
    element.classList.toggle("up", by > 0);
    element.classList.toggle("down", by < 0);
  }
}

function light(root, view, name) {
  if (!(name in view.spelled)) return;
  root.querySelector("#pointed").textContent = view.spelled[name];
  const lit = new Set([name, ...(view.lit[name] ?? [])]);
  for (const element of root.querySelectorAll("[data-value], [data-edge], [data-node]")) {
    const { value, edge, node } = element.dataset;
    const names = node ? node.split(" ") : [value ?? edge, edge && `g${edge.slice(1)}`];
    element.classList.toggle("lit", names.some((other) => lit.has(other)));
  }
}

// ---- numbers that are dragged --------------------------------------------------------------------------

function makeDraggable(root) {
  const change = (input, value) => {
    input.value = String(Number(value.toFixed(6)));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const isField = (element) => element.matches?.("input.num");
  root.addEventListener("keydown", (event) => {
    if (!isField(event.target) || !(event.key in NUDGE)) return;
    event.preventDefault();
    change(event.target, Number(event.target.value) + NUDGE[event.key] * (event.shiftKey ? 10 : 1));
  });
  let from = null; // {x, value} of the drag that goes on
  root.addEventListener("pointerdown", (event) => {
    if (isField(event.target)) from = { x: event.clientX, value: Number(event.target.value), input: event.target };
  });
  root.addEventListener("pointermove", (event) => {
    if (!from || event.buttons === 0 || !Number.isFinite(from.value)) return;
    const moved = event.clientX - from.x;
    if (!from.input.hasPointerCapture(event.pointerId)) {
      if (Math.abs(moved) < 5) return;
      from.input.setPointerCapture(event.pointerId);
    }
    from.input.setSelectionRange(0, 0);
    change(from.input, from.value + moved * DRAG);
  });
  for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, () => (from = null));
}

// ---- the drawing ---------------------------------------------------------------------------------------

function makeDrawing(figure, sizes) {
  const places = sizes.map((count, column) =>
    Array.from({ length: count }, (_, i) => [COLUMNS[column], (HEIGHT * (i + 1)) / (count + 1)]),
  );
  const edges = [];
  LAYERS.forEach((layer, l) => {
    places[l + 1].forEach(([x2, y2], k) =>
      places[l].forEach(([x1, y1], j) => {
        const edge = `w.${layer}.${k}.${j}`;
        edges.push(svg("line", { x1: x1 + 17, y1, x2: x2 - 17, y2, class: "edge", "data-edge": edge }));
      }),
    );
  });
  const names = [
    (j) => [`x${sub(j)}`, `x.${j}`],
    (i) => [`a${sub(i)}`, `z.0.${i} a.0.${i} delta.0.${i}`],
    (k) => [`out${sub(k)}`, `z.2.${k} delta.2.${k}`],
  ];
  const nodes = places.flatMap((column, l) =>
    column.map(([x, y], i) => {
      const [text, node] = names[l](i);
      return svg(
        "g",
        { class: "node", "data-node": node },
        svg("circle", { cx: x, cy: y, r: 17 }),
        svg("text", { x, y: y + 5, "text-anchor": "middle" }, text),
      );
    }),
  );
  const way = svg("text", { x: 200, y: HEIGHT - 3, "text-anchor": "middle", class: "way" });
  const label = "The net: solid orange lines are positive weights, dashed blue ones negative";
  figure.replaceChildren(svg("svg", { viewBox: `0 0 400 ${HEIGHT}`, role: "img", "aria-label": label }, ...edges, ...nodes, way));
  return (view, values) => {
    const now = new Set(view.focus);
    for (const edge of edges) {
      const name = edge.dataset.edge;
      const w = Number(values[name][1]);
      edge.setAttribute("stroke-width", Math.min(5, 1 + 3 * Math.abs(w)) || 1);
      edge.classList.toggle("minus", w < 0);
      edge.classList.toggle("plus", w > 0);
      const target = `${name.split(".")[1]}.${name.split(".")[2]}`;
      const used = [name, `z.${target}`, `g${name.slice(1)}`].some((other) => now.has(other));
      edge.classList.toggle("focus", used);
    }
    for (const node of nodes) node.classList.toggle("focus", node.dataset.node.split(" ").some((name) => now.has(name)));
    way.textContent = view.backward ? "← back" : view.first || view.updated ? "" : "forward →";
  };
}
