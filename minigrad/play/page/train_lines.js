// Two pictures of lines: the losses over the steps, and |delta| over the layers beside what mean field expects.

import { svg } from "./common.js";

const [WIDE, HIGH] = [420, 220];
const EDGE = { left: 60, right: 14, top: 14, bottom: 30 };

const colourOf = (kind) => `var(--${kind.replaceAll("_", "-")})`;
const finite = (value) => Number.isFinite(value);

// A scale from numbers to units; logarithmic where log is true. Numbers that are not finite have no place.
function scale(values, from, to, log) {
  const good = values.map(Number).filter((value) => finite(value) && (!log || value > 0));
  let [low, high] = [Math.min(...good), Math.max(...good)];
  if (!good.length) [low, high] = [0.1, 1];
  if (log) {
    low = Math.log10(Math.max(low, high * 1e-12));
    high = Math.log10(high);
    if (high - low < 0.2) [low, high] = [low - 0.1, high + 0.1];
  } else if (low === high) high = low + 1;
  const place = (value) => {
    const number = log ? Math.log10(Number(value)) : Number(value);
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

function axis(y, name) {
  const lines = decades(y).map((value) => [
    svg("path", { class: "axis", d: `M${EDGE.left} ${y(value).toFixed(1)}H${WIDE - EDGE.right}` }),
    svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)),
  ]);
  return [...lines.flat(), svg("text", { x: EDGE.left, y: HIGH - 6, class: "name" }, name)];
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
  const image = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}` });
  const chart = document.createElement("div");
  chart.className = "chart";
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", label);
  chart.append(image);
  const caption = document.createElement("figcaption");
  figure.append(chart, caption);
  return { chart, image, caption };
}

// ---- the losses ------------------------------------------------------------------------------------------

export function makeCurve(figure) {
  const { chart, image, caption } = start(figure, "The loss over the steps. Left and right read it at other steps.");
  chart.tabIndex = 0;
  chart.setAttribute("role", "application");
  caption.setAttribute("aria-live", "polite");
  let at = null; // the place of the point that is looked at, from 0 to 1
  let now = null;
  const draw = () => now && drawCurve(image, caption, now, at);
  const look = (place) => {
    at = place;
    draw();
  };
  chart.addEventListener("pointermove", (event) => {
    const box = image.getBoundingClientRect();
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

function drawCurve(image, caption, { curves, names, seeds }, at) {
  const end = Math.max(1, ...(seeds?.steps ?? []), ...curves.flatMap(({ steps }) => steps));
  const shown = [...curves.flatMap(({ loss, test }) => [...loss, ...test]), ...(seeds?.losses ?? []).flat()];
  const y = scale(shown, HIGH - EDGE.bottom, EDGE.top, true);
  const x = (steps) => EDGE.left + ((WIDE - EDGE.left - EDGE.right) * steps) / end;
  const lines = curves.flatMap(({ steps, loss, test }, i) => {
    const line = (values, extra) => {
      const element = svg("path", { class: `line ${extra}`, d: pathOf(steps.map(x), values.map(y)) });
      element.style.stroke = colourOf(names[i].kind);
      if (names[i].dash) element.classList.add("second");
      return element;
    };
    const dot = svg("circle", { class: "dot", r: 3, cx: x(steps.at(-1)), cy: y(loss.at(-1)) || EDGE.top });
    dot.style.fill = colourOf(names[i].kind);
    return [dot, line(loss, ""), ...(test.length ? [line(test, "held-out")] : [])];
  });
  const last = svg("text", { x: WIDE - EDGE.right, y: HIGH - 6, class: "name", "text-anchor": "end" }, `${end.toLocaleString("en")} step${end === 1 ? "" : "s"}`);
  const fan = (seeds?.losses ?? []).map((losses) => pathOf(seeds.steps.map(x), losses.map(y))).join("");
  image.replaceChildren(...axis(y, "loss, log scale"), last, svg("path", { class: "line fan", d: fan }), ...lines);
  const keys = curves.map((_, i) => `${names[i].label}${names[i].dash ? " dashed" : ""}`);
  const held = curves[0].test.length ? "; the thin line is of the held-out samples" : "";
  if (at === null) say(caption, `${keys.length > 1 ? keys.join(", ") : "the loss"}${held}${seeds ? "; grey: the seeds" : ""}`);
  else readCurve(image, caption, { curves, names, x, y, end }, at);
}

function readCurve(image, caption, { curves, names, x, y, end }, at) {
  const wanted = at * end;
  const { steps } = curves[0];
  let k = 0;
  steps.forEach((value, i) => {
    if (Math.abs(value - wanted) < Math.abs(steps[k] - wanted)) k = i;
  });
  const texts = curves.map(({ steps: own, loss, test }, i) => {
    const at = own.indexOf(steps[k]);
    if (at < 0) return `${names[i].label} ended before`;
    image.append(svg("circle", { class: "dot", r: 3.5, cx: x(own[at]), cy: y(loss[at]) || HIGH - EDGE.bottom }));
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
  const { image, caption } = start(figure, "The size of delta at each layer, beside what mean field expects");
  return (paths, values, names) => {
    const read = (prefix, name) => paths.map((path) => Number(values[`${prefix}${name}.${path}`]?.[1] ?? NaN));
    const sets = names.map((_, i) => {
      const prefix = i ? "other-" : "";
      return { measured: read(prefix, "delta-norm"), expected: read(prefix, "mean-field") };
    });
    const y = scale(sets.flatMap(({ measured, expected }) => [...measured, ...expected]), HIGH - EDGE.bottom - 14, EDGE.top, true);
    const x = (l) => EDGE.left + 24 + ((WIDE - EDGE.left - EDGE.right - 48) * l) / Math.max(1, paths.length - 1);
    const places = paths.map((_, l) => x(l));
    const ticks = paths.map((path, l) => svg("text", { x: x(l), y: HIGH - 24, "text-anchor": "middle" }, path));
    const drawn = sets.flatMap(({ measured, expected }, i) => {
      const line = (of, extra) => {
        const element = svg("path", { class: `line ${extra} ${names[i].dash ? "second" : ""}`, d: pathOf(places, of.map(y)) });
        element.style.stroke = colourOf(names[i].kind);
        return element;
      };
      const dots = measured.map((value, l) => (finite(y(value)) ? svg("circle", { class: "dot", r: 4, cx: x(l), cy: y(value) }) : ""));
      return [line(expected, "expected"), line(measured, ""), ...dots];
    });
    image.replaceChildren(...axis(y, "layer"), ...ticks, ...drawn);
    say(caption, "|delta| at each layer: dots are measured, the dotted line is what mean field expects");
  };
}
