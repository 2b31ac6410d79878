// Two pictures of lines: the losses over the steps, and |delta| over the layers beside what mean field expects.

import { svg } from "./common.js";

const [WIDE, HIGH] = [420, 220];
const EDGE = { left: 60, right: 14, top: 14, bottom: 30 };

const colourOf = (kind) => `var(--${kind.replaceAll("_", "-")})`;
const finite = (value) => Number.isFinite(value);

// A logarithmic scale from numbers to units, whose ends are quarters of a decade: so it stays while a run goes on.
// Numbers that are not finite have no place; those of 0 and below are at its lower end.
function scale(values, from, to) {
  const good = values.map(Number).filter((value) => finite(value) && value > 0);
  const most = good.length ? Math.max(...good) : 1;
  const least = good.length ? Math.max(Math.min(...good), most * 1e-12) : 0.1;
  const high = Math.ceil(4 * Math.log10(most) + 0.01) / 4;
  const low = Math.floor(4 * Math.log10(least) - 0.01) / 4;
  const place = (value) => {
    const number = Math.log10(Number(value));
    if (Number.isNaN(number)) return NaN;
    return from + ((to - from) * (Math.min(Math.max(number, low), high) - low)) / (high - low);
  };
  return Object.assign(place, { low, high });
}

function decades({ low, high }) {
  const step = Math.max(1, Math.ceil((high - low) / 4));
  const found = [];
  for (let power = Math.ceil(low / step) * step; power <= high; power += step) found.push(10 ** power);
  return found.length > 1 ? found : [10 ** low, 10 ** high];
}

const short = (value) => (value >= 1e-4 && value < 1e5 ? Number(value.toPrecision(2)).toString() : value.toExponential(0).replace("+", ""));

// The lines of the scale and the texts, in a group of their own: made again only when they change.
function axis(group, y, name, texts = []) {
  const key = JSON.stringify([y.low, y.high, texts.map((text) => text.textContent)]);
  if (group.dataset.key === key) return;
  group.dataset.key = key;
  const lines = decades(y).map((value) => [
    svg("path", { class: "axis", d: `M${EDGE.left} ${y(value).toFixed(1)}H${WIDE - EDGE.right}` }),
    svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)),
  ]);
  group.replaceChildren(...lines.flat(), svg("text", { x: EDGE.left, y: HIGH - 6, class: "name" }, name), ...texts);
}

function pathOf(xs, ys) {
  let [d, pen] = ["", "M"];
  xs.forEach((x, i) => {
    if (!finite(x) || !finite(ys[i])) pen = "M";
    else {
      d += `${pen}${x.toFixed(1)} ${ys[i].toFixed(1)}`;
      pen = "L";
    }
  });
  return d;
}

function start(figure, label) {
  const parts = { axes: svg("g"), lines: svg("g") };
  const image = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}` }, parts.axes, parts.lines);
  const chart = document.createElement("div");
  chart.className = "chart";
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", label);
  chart.append(image);
  const caption = document.createElement("figcaption");
  figure.append(chart, caption);
  return { chart, caption, ...parts };
}

// ---- the losses ------------------------------------------------------------------------------------------

export function makeCurve(figure) {
  const { chart, caption, axes, lines } = start(figure, "The loss over the steps. Left and right read it at other steps.");
  chart.tabIndex = 0;
  chart.setAttribute("role", "application");
  caption.setAttribute("aria-live", "polite");
  let at = null; // the place of the point that is looked at, from 0 to 1
  let now = null;
  const draw = () => now && drawCurve({ axes, lines, caption }, now, at);
  const look = (place) => {
    at = place;
    draw();
  };
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDE;
    look(Math.min(1, Math.max(0, (x - EDGE.left) / (WIDE - EDGE.left - EDGE.right))));
  });
  chart.addEventListener("pointerleave", () => look(null));
  chart.addEventListener("blur", () => look(null));
  chart.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    look(Math.min(1, Math.max(0, (at ?? 1) + way / 50)));
  });
  return (view, names) => {
    now = { curves: view.curves, names, seeds: view.seeds };
    draw();
  };
}

function drawCurve({ axes, lines, caption }, { curves, names, seeds }, at) {
  const end = Math.max(1, ...(seeds?.steps ?? []), ...curves.flatMap(({ steps }) => steps));
  const shown = [...curves.flatMap(({ loss, test }) => [...loss, ...test]), ...(seeds?.losses ?? []).flat()];
  const y = scale(shown, HIGH - EDGE.bottom, EDGE.top);
  const x = (steps) => EDGE.left + ((WIDE - EDGE.left - EDGE.right) * steps) / end;
  const drawn = curves.flatMap(({ steps, loss, test }, i) => {
    const line = (values, extra) => lineOf(steps.map(x), values.map(y), names[i], extra);
    const dot = svg("circle", { class: "dot", r: 3, cx: x(steps.at(-1)), cy: y(loss.at(-1)) || EDGE.top });
    dot.style.fill = colourOf(names[i].kind);
    return [dot, line(loss, ""), ...(test.length ? [line(test, "held-out")] : [])];
  });
  const fan = (seeds?.losses ?? []).map((losses) => pathOf(seeds.steps.map(x), losses.map(y))).join("");
  const steps = `${end.toLocaleString("en")} step${end === 1 ? "" : "s"}`;
  axis(axes, y, "loss, log scale", [svg("text", { x: WIDE - EDGE.right, y: HIGH - 6, "text-anchor": "end" }, steps)]);
  lines.replaceChildren(svg("path", { class: "line fan", d: fan }), ...drawn);
  const keys = curves.map((_, i) => `${names[i].label}${names[i].dash ? " dashed" : ""}`);
  const held = curves[0].test.length ? "; the thin line is of the held-out samples" : "";
  if (at === null) say(caption, `${keys.length > 1 ? keys.join(", ") : "the loss"}${held}${seeds ? "; grey: the seeds" : ""}`);
  else readCurve(lines, caption, { curves, names, x, y, end }, at);
}

function lineOf(xs, ys, { kind, dash }, extra) {
  const element = svg("path", { class: `line ${extra} ${dash ? "second" : ""}`, d: pathOf(xs, ys) });
  element.style.stroke = colourOf(kind);
  return element;
}

function readCurve(lines, caption, { curves, names, x, y, end }, at) {
  const wanted = at * end;
  const { steps } = curves[0];
  let k = 0;
  steps.forEach((value, i) => {
    if (Math.abs(value - wanted) < Math.abs(steps[k] - wanted)) k = i;
  });
  const texts = curves.map(({ steps: own, loss, test }, i) => {
    const at = own.indexOf(steps[k]);
    if (at < 0) return `${names[i].label} ended before`;
    lines.append(svg("circle", { class: "dot", r: 3.5, cx: x(own[at]), cy: y(loss[at]) || HIGH - EDGE.bottom }));
    const held = test.length ? `, held out ${number(test[at])}` : "";
    return `${curves.length > 1 ? `${names[i].label} ` : ""}${number(loss[at])}${held}`;
  });
  say(caption, `step ${steps[k].toLocaleString("en")}: ${texts.join("; ")}`);
}

const number = (value) => (finite(Number(value)) ? Number(Number(value).toPrecision(4)).toString() : String(value));

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// ---- |delta| by layer ------------------------------------------------------------------------------------

export function makeStrip(figure) {
  const { caption, axes, lines } = start(figure, "The size of delta at each layer, beside what mean field expects");
  let [visible, stale] = [false, null]; // what nobody sees is not drawn while a run goes on
  const draw = (...frame) => {
    stale = null;
    drawStrip({ axes, lines }, ...frame);
  };
  new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    if (visible && stale) draw(...stale);
  }).observe(figure);
  say(caption, "|delta| at each layer: dots are measured, the dotted line is what mean field expects");
  return (training, ...frame) => {
    if (visible || !training) draw(...frame);
    else stale = frame;
  };
}

function drawStrip({ axes, lines }, paths, values, names) {
  const read = (prefix, name) => paths.map((path) => Number(values[`${prefix}${name}.${path}`]?.[1] ?? NaN));
  const sets = names.map((_, i) => {
    const prefix = i ? "other-" : "";
    return { measured: read(prefix, "delta-norm"), expected: read(prefix, "mean-field") };
  });
  const y = scale(sets.flatMap(({ measured, expected }) => [...measured, ...expected]), HIGH - EDGE.bottom - 14, EDGE.top);
  const x = (l) => EDGE.left + 24 + ((WIDE - EDGE.left - EDGE.right - 48) * l) / Math.max(1, paths.length - 1);
  const places = paths.map((_, l) => x(l));
  const drawn = sets.flatMap(({ measured, expected }, i) => {
    const dots = measured.map((value, l) => (finite(y(value)) ? svg("circle", { class: "dot", r: 4, cx: x(l), cy: y(value) }) : ""));
    return [lineOf(places, expected.map(y), { ...names[i], dash: "" }, "expected"), lineOf(places, measured.map(y), names[i], ""), ...dots];
  });
  const ticks = paths.map((path, l) => svg("text", { x: x(l), y: HIGH - 24, "text-anchor": "middle" }, path));
  axis(axes, y, "layer", ticks);
  lines.replaceChildren(...drawn);
}
