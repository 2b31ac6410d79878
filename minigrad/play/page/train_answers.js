// What the net answers: a field over the plane for two features, pictures for digits, else a table of right and wrong.

import { svg } from "./common.js";

const GRID = 56; // places of the field a side, as the server sends them
const LEVELS = 25; // how sure an answer is: class * LEVELS + level is a byte
const SIZE = 360; // units of the field's picture
const PALE = 0.16; // of the colour of an answer that is not sure at all
const DIGIT = 8; // pixels of a digit a side

const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

export function makeAnswers(root) {
  let kind = "";
  let draw = [];
  return (view, names) => {
    const makers = { field: makeField, images: makeImages, confusion: makeConfusion };
    const found = Object.keys(makers).find((name) => name in view.answers[0]);
    const key = `${found} ${view.answers.length}`;
    if (kind !== key) {
      kind = key;
      root.replaceChildren();
      draw = view.answers.map(() => makers[found](root));
    }
    view.answers.forEach((answer, i) => draw[i](answer[found], view, view.answers.length > 1 ? names[i].label : ""));
  };
}

function figureIn(root, ...children) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  figure.append(...children, caption);
  root.append(figure);
  return { figure, caption };
}

function say(caption, text) {
  if (caption.textContent !== text) caption.textContent = text;
}

// ---- two features ----------------------------------------------------------------------------------------

function makeField(root) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = GRID;
  canvas.setAttribute("role", "img");
  const points = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true" });
  const stack = document.createElement("div");
  stack.className = "field";
  stack.append(canvas, points);
  const { caption } = figureIn(root, stack);
  const context = canvas.getContext("2d");
  const image = context.createImageData(GRID, GRID);
  let drawn = "";
  return (field, view, name) => {
    const colours = classColours();
    bytes(field).forEach((byte, i) => {
      const [r, g, b] = colours[Math.floor(byte / LEVELS)];
      image.data.set([r, g, b, 255 * (PALE + (0.62 - PALE) * ((byte % LEVELS) / (LEVELS - 1)))], 4 * i);
    });
    context.putImageData(image, 0, 0);
    const { features } = view.points;
    const axes = `${features[0]} to the right, ${features[1]} upwards`;
    const text = `${name ? `${name}: ` : ""}the answers over the plane, ${axes}; hollow marks are held out`;
    say(caption, text);
    canvas.setAttribute("aria-label", `${text}. ${view.sentence}`);
    const key = JSON.stringify([view.points, view.data.train]);
    if (drawn !== key) {
      drawn = key;
      points.replaceChildren(...marks(view.points.train, "train"), ...marks(view.points.test, "test"));
    }
  };
}

function classColours() {
  const style = getComputedStyle(document.documentElement);
  return Array.from({ length: 10 }, (_, k) => {
    const hex = style.getPropertyValue(`--class-${k}`).trim();
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
}

// The samples of one set: a path a class, whose marks differ in shape as well as in colour.
function marks(set, name) {
  if (!set) return [];
  const [x, y, classes] = [set.x, set.y, set.classes].map(bytes);
  const size = x.length > 20 ? 3 : 6;
  const paths = [];
  classes.forEach((k, n) => {
    const [u, v] = [(x[n] / 255) * SIZE, SIZE - (y[n] / 255) * SIZE];
    paths[k] = (paths[k] ?? "") + SHAPES[k % SHAPES.length](u, v, size);
  });
  return paths.map((d, k) => {
    const path = svg("path", { d, class: `mark-of ${name}` });
    path.style.setProperty("--of", `var(--class-${k})`);
    return path;
  });
}

const SHAPES = [
  (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (x, y, r) => `M${x} ${y - 1.2 * r}l${1.2 * r} ${2.2 * r}h${-2.4 * r}z`,
  (x, y, r) => `M${x} ${y - 1.4 * r}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}z`,
  (x, y, r) => `M${x} ${y + 1.2 * r}l${1.2 * r} ${-2.2 * r}h${-2.4 * r}z`,
];

// ---- digits ----------------------------------------------------------------------------------------------

function makeImages(root) {
  const list = document.createElement("ol");
  list.className = "digits";
  const { caption } = figureIn(root, list);
  let drawn = "";
  return ({ ink, classes, answers, sure }, view, name) => {
    const key = `${ink} ${classes}`;
    if (drawn !== key) {
      drawn = key;
      const pixels = bytes(ink);
      list.replaceChildren(...classes.map((_, n) => digit(pixels.subarray(64 * n, 64 * n + 64))));
    }
    answers.forEach((answer, n) => {
      const [item, right] = [list.children[n], answer === classes[n]];
      const text = `${right ? "✓" : "✗"} ${answer}`;
      const strength = `sure-${Math.round(4 * sure[n])}`;
      if (item.dataset.answer === text + strength) return;
      item.dataset.answer = text + strength;
      item.className = `${right ? "right" : "wrong"} ${strength}`;
      item.lastChild.textContent = text;
      item.firstChild.setAttribute("aria-label", `a ${classes[n]}`);
    });
    say(caption, `${name ? `${name}: ` : ""}held-out digits, and the answer to each: ✓ right, ✗ wrong, pale where it is not sure`);
  };
}

function digit(pixels) {
  const item = document.createElement("li");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = DIGIT;
  canvas.setAttribute("role", "img");
  const image = new ImageData(DIGIT, DIGIT);
  pixels.forEach((ink, i) => image.data.set([255 - ink, 255 - ink, 255 - ink, 255], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
  item.append(canvas, document.createElement("span"));
  return item;
}

// ---- everything else -------------------------------------------------------------------------------------

function makeConfusion(root) {
  const table = document.createElement("table");
  table.className = "confusion";
  const { caption } = figureIn(root, table);
  return ({ counts, classes, ...rest }, view, name) => {
    const cell = (tag, text, scope) => {
      const element = document.createElement(tag);
      element.textContent = text;
      if (scope) element.scope = scope;
      return element;
    };
    const row = (...cells) => {
      const element = document.createElement("tr");
      element.append(...cells);
      return element;
    };
    const head = row(cell("td", ""), ...classes.map((text) => cell("th", text, "col")));
    const body = counts.map((line, k) => {
      const cells = line.map((count, j) => {
        const element = cell("td", count);
        element.className = j === k ? "right" : count ? "wrong" : "";
        return element;
      });
      return row(cell("th", classes[k], "row"), ...cells);
    });
    table.replaceChildren(head, ...body);
    const which = rest["held-out"] ? "held-out samples" : "samples";
    say(caption, `${name ? `${name}: ` : ""}how many ${which} of each class (row) got which answer (column)`);
  };
}
