// Scene 1, one neuron with two weights: the bowl with the path, the cloud of the inputs, and the controls.

import { calm, html, sayNow, sendNewest, showRunning, svg } from "./common.js";

const SIZE = 400; // units of both pictures
const STEP = 0.05; // of a point that is moved by an arrow key
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const LONG = [600, 150]; // width and height of the zig-zag by steps, in the same units

const LAYOUT = `
  <h1></h1>
  <div class="pictures">
    <figure class="bowl"><figcaption>the loss over the two weights, with the path from <b>○</b> to <b>✳</b>:
      <span class="key plus">+ both up</span>, <span class="key minus">− both down</span>, <span class="key mixed">one up, one down</span><span id="ghost">;
      <span class="key ghost">grey: the run that is not turned, put in here</span></span></figcaption></figure>
    <figure class="strip"><figcaption>the zig-zag: how far from the valley, on which side, at each step</figcaption></figure>
    <figure class="cloud"><figcaption>the inputs a of the 32 samples, and the direction of their mean</figcaption></figure>
  </div>
  <div class="side">
    <p class="sentence" id="sentence" aria-live="polite"></p>
    <div class="buttons">
      <button data-testid="step" data-act="step">step</button>
      <button data-testid="run" id="run">run</button>
      <button data-testid="reset" data-act="reset">reset</button>
    </div>
    <dl class="numbers">
      <div><dt>steps</dt><dd data-value="steps"></dd></div>
      <div><dt>reversals</dt><dd data-value="reversals"></dd></div>
      <div><dt>single-signed</dt><dd data-value="single-signed"></dd></div>
      <div><dt>loss</dt><dd data-value="loss"></dd></div>
      <div><dt>pairs of samples in one pair of orthants</dt><dd data-value="orthant-pairs"></dd></div>
      <div><dt>w</dt><dd><span data-value="w.0.0.0"></span>, <span data-value="w.0.0.1"></span></dd></div>
      <div><dt>dC/dw</dt><dd><span data-value="g.0.0.0"></span>, <span data-value="g.0.0.1"></span></dd></div>
    </dl>
    <p class="against">The same run <span id="flipped"></span>: no loss differs by more than <b data-value="difference-flipped"></b>.
      <br>The same run <span id="turned"></span>: by more than <b data-value="difference-turned"></b>.</p>
    <fieldset><legend>inputs</legend>
      <label class="slide">mean <input type="range" min="-1" max="1" step="0.01" data-testid="mean" data-control="mean"><output data-value="mean"></output></label>
      <label class="slide">spread <input type="range" min="0.02" max="1" step="0.01" data-testid="spread" data-control="spread"><output data-value="spread"></output></label>
      <label class="slide">turn <input type="range" min="0" max="360" step="1" data-testid="turn" data-control="turn"><output><span data-value="turn"></span>°</output></label>
      <label class="tick"><input type="checkbox" data-testid="flip" data-control="flip"> flip the sign of input 1, and of its weight</label>
    </fieldset>
    <fieldset><legend>steps</legend>
      <label class="pick">optimiser <select data-testid="optimizer" data-control="optimizer"><option value="sgd">SGD</option><option value="adam">Adam</option></select></label>
      <label class="pick">samples in a batch <select data-testid="batch" data-control="batch"><option>all</option><option>16</option><option>4</option><option>1</option></select></label>
      <div class="slide"><label for="lr">lr</label>
        <span class="track"><input id="lr" type="range" min="0.001" max="4" step="any" data-testid="lr" data-control="lr"><span class="mark"></span></span>
        <input type="text" inputmode="decimal" autocomplete="off" data-value="lr" data-control="lr" aria-label="lr, as a number">
      </div>
      <p class="limit">▲ 2/λ₁ = <span data-value="lr-limit"></span>, where λ₁ is the largest curvature of the bowl</p>
      <label class="slide" id="momentum">momentum <input type="range" min="0" max="0.99" step="0.01" data-testid="momentum" data-control="momentum"><output data-value="momentum"></output></label>
    </fieldset>
    <details><summary>start and target, in numbers</summary>
      <p class="grid">
      <label>start w₁ <input type="number" step="0.05" min="-2.5" max="2.5" data-control="start-1"></label>
      <label>start w₂ <input type="number" step="0.05" min="-2.5" max="2.5" data-control="start-2"></label>
      <label>target w₁ <input type="number" step="0.05" min="-2.5" max="2.5" data-control="target-1"></label>
      <label>target w₂ <input type="number" step="0.05" min="-2.5" max="2.5" data-control="target-2"></label></p>
      <p class="hint">As they are before turning and flipping. In the picture they can be dragged, or moved by the arrow keys.</p>
    </details>
  </div>`;

// Where a point of a plane from -half to half is in the picture.
const across = (half, [u, v]) => [(SIZE / 2) * (1 + u / half), (SIZE / 2) * (1 - v / half)];
const at = (point) => point.map((value) => value.toFixed(1)).join(" ");

export function build(root, send) {
  root.append(html(LAYOUT));
  const find = (selector) => root.querySelector(selector);
  const bowl = makeBowl(find(".bowl"));
  const strip = makeStrip(find(".strip"));
  const cloud = makeCloud(find(".cloud"));
  const run = find("#run");
  run.addEventListener("click", (event) => {
    if (run.dataset.act !== "run" || !calm.matches) return;
    event.stopPropagation();
    send({ do: "act", action: "run", with: { watched: false } });
  });
  return ({ view, values, controls, running }) => {
    sayNow(find("#sentence"), view.sentence, running);
    showRunning(run, running);
    [find("#flipped").textContent, find("#turned").textContent] = view.compared;
    find("#momentum").hidden = !view["has-momentum"];
    find("#ghost").hidden = view.bowl.other.length === 0;
    const lr = find("#lr");
    lr.max = 2 * Number(values["lr-limit"][1]); // so that the limit is in the middle, under its mark
    if (lr !== document.activeElement) lr.value = controls.lr;
    bowl(view.bowl, Number(controls.turn), controls.flip);
    strip(view.strip);
    cloud(view.cloud);
  };
}

function picture(figure, label) {
  const image = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group", "aria-label": label });
  figure.prepend(image);
  return image;
}

// Two axes through the middle, with their names.
function axes(names) {
  const middle = SIZE / 2;
  const name = (x, y, text, end) => svg("text", { x, y, class: "name", "text-anchor": end }, text);
  return [
    svg("path", { class: "axis", d: `M0 ${middle}H${SIZE}M${middle} 0V${SIZE}` }),
    name(SIZE - 6, middle - 7, names[0], "end"),
    name(middle + 7, 21, names[1], "start"),
  ];
}

// ---- the bowl ------------------------------------------------------------------------------------------

function makeBowl(figure) {
  const image = picture(figure, "The bowl of the loss over weight 1 and weight 2, with the path of the weights");
  const contours = svg("g", { class: "contours" });
  const valley = svg("path", { class: "valley" });
  const kinds = Object.fromEntries(["mixed", "plus", "minus"].map((kind) => [kind, svg("path", { class: `path ${kind}` })]));
  const ghost = svg("path", { class: "ghost" });
  const now = svg("circle", { class: "now", r: 4 });
  const handles = {
    target: handle("target", svg("path", { d: "M-8 0H8M0 -8V8M-5.7 -5.7L5.7 5.7M-5.7 5.7L5.7 -5.7" })),
    start: handle("start", svg("circle", { r: 7 })),
  };
  image.append(contours, valley, ...axes(["weight 1", "weight 2"]), ghost, ...Object.values(kinds), now, ...Object.values(handles));
  let half = 1;
  let places = {};
  for (const [point, element] of Object.entries(handles)) {
    const move = (to) => sendNewest(`move ${point}`, { do: "act", action: "move", with: { point, to } });
    element.addEventListener("keydown", (event) => {
      const way = KEYS[event.key];
      if (!way) return;
      event.preventDefault();
      move(places[point].map((value, j) => value + way[j] * STEP * (event.shiftKey ? 5 : 1)));
    });
    element.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      element.focus();
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      if (!element.hasPointerCapture(event.pointerId)) return;
      const box = image.getBoundingClientRect();
      const [u, v] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      move([(2 * u - 1) * half, (1 - 2 * v) * half]);
    });
  }
  return (data, turn, flip) => {
    ({ half } = data);
    places = { start: data.start, target: data.target };
    const unit = SIZE / 2 / half;
    const [x, y] = across(half, data.target);
    contours.setAttribute("transform", `translate(${x} ${y}) rotate(${-data.angle})`);
    contours.replaceChildren(...data.radii.map(([rx, ry]) => svg("ellipse", { rx: rx * unit, ry: ry * unit })));
    const far = 3 * half;
    const [c, s] = [Math.cos((data.angle * Math.PI) / 180), Math.sin((data.angle * Math.PI) / 180)];
    const end = (sign) => at(across(half, [data.target[0] + sign * far * c, data.target[1] + sign * far * s]));
    valley.setAttribute("d", `M${end(-1)}L${end(1)}`);
    for (const [kind, line] of Object.entries(kinds)) line.setAttribute("d", segments(data, kind));
    ghost.setAttribute("d", data.other.length ? `M${data.other.map((point) => at(across(half, point))).join("L")}` : "");
    const [nx, ny] = across(half, data.path.at(-1));
    now.setAttribute("cx", nx);
    now.setAttribute("cy", ny);
    const changed = turn || flip ? ", in the picture as it is turned and flipped" : "";
    for (const [point, element] of Object.entries(handles)) {
      element.setAttribute("transform", `translate(${across(half, places[point]).join(" ")})`);
      const [w1, w2] = places[point].map((value) => value.toFixed(2));
      element.setAttribute("aria-label", `${point}: weight 1 is ${w1}, weight 2 is ${w2}${changed}. Arrow keys move it.`);
    }
  };
}

function handle(name, mark) {
  const area = svg("circle", { class: "area", r: 16 });
  return svg("g", { class: `handle ${name}`, tabindex: 0, role: "button", "aria-roledescription": "movable point" }, area, mark);
}

// The steps of one kind as one line; each ends with the sign of its update, or with nothing where it has both.
function segments({ half, path, directions }, kind) {
  return lines(path.map((point) => across(half, point)), directions, kind);
}

function lines(places, directions, kind) {
  let d = "";
  directions.forEach((direction, t) => {
    if (direction !== kind) return;
    const [from, to] = [places[t], places[t + 1]];
    d += `M${at(from)}L${at(to)}`;
    if (kind === "mixed" || Math.hypot(to[0] - from[0], to[1] - from[1]) < 14) return;
    const [x, y] = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    d += sign(x, y, kind);
  });
  return d;
}

// A plus or a minus, beside the middle of its line.
function sign(x, y, kind) {
  const [u, v] = kind === "plus" ? [x - 9, y - 9] : [x + 9, y + 9];
  return `M${at([u - 4, v])}H${(u + 4).toFixed(1)}` + (kind === "plus" ? `M${at([u, v - 4])}V${(v + 4).toFixed(1)}` : "");
}

// ---- the zig-zag by steps ------------------------------------------------------------------------------

function makeStrip(figure) {
  const [wide, high] = LONG;
  const label = "Distance from the valley at each step: a path that crosses the middle line crosses the valley";
  const image = svg("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": label });
  const kinds = ["mixed", "plus", "minus"].map((kind) => [kind, svg("path", { class: `path ${kind}` })]);
  const last = svg("text", { x: wide - 6, y: high - 8, "text-anchor": "end" });
  image.append(svg("path", { class: "valley", d: `M0 ${high / 2}H${wide}` }), ...kinds.map(([, line]) => line), last);
  figure.prepend(image);
  return ({ away, most, steps, directions }) => {
    const places = away.map((value, t) => [8 + ((wide - 16) * t) / steps, high / 2 - (value / most) * (high / 2 - 8)]);
    for (const [kind, line] of kinds) line.setAttribute("d", lines(places, directions, kind));
    last.textContent = `step ${steps}`;
  };
}

// ---- the cloud -----------------------------------------------------------------------------------------

function makeCloud(figure) {
  const image = picture(figure, "The inputs of the samples, with the direction of their mean");
  const middle = SIZE / 2;
  const quadrant = (x, y, kind) => svg("rect", { x, y, width: middle, height: middle, class: `quadrant ${kind}` });
  const label = (x, y, text) => svg("text", { x, y, class: "signs", "text-anchor": "middle" }, text);
  const points = svg("path", { class: "points" });
  const mean = svg("path", { class: "mean" });
  const chosen = svg("path", { class: "points batch" });
  image.append(
    quadrant(middle, 0, "plus"),
    quadrant(0, middle, "minus"),
    label(SIZE - 32, 50, "+ +"),
    label(32, SIZE - 16, "− −"),
    label(32, 50, "− +"),
    label(SIZE - 32, SIZE - 16, "+ −"),
    ...axes(["input 1", "input 2"]),
    mean,
    points,
    chosen,
  );
  const dots = (places, half) => places.map((point) => `M${at(across(half, point))}h0`).join("");
  return ({ half, points: cloud, mean: centre, batch }) => {
    points.setAttribute("d", dots(cloud, half));
    chosen.setAttribute("d", dots(batch, half));
    const [x, y] = across(half, centre);
    mean.setAttribute("d", `M${middle} ${middle}L${at([x, y])}${arrow(x - middle, y - middle, x, y)}`);
  };
}

function arrow(dx, dy, x, y) {
  const length = Math.hypot(dx, dy);
  if (length < 12) return "";
  const [u, v] = [(dx / length) * 9, (dy / length) * 9];
  return `M${at([x - u - v * 0.6, y - v + u * 0.6])}L${at([x, y])}L${at([x - u + v * 0.6, y - v - u * 0.6])}`;
}
