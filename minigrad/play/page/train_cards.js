// A card a layer: a above, delta at the left, and their product between the two, as the matrices are multiplied.
//
//              a (N, J)
//     delta^T  product
//     (K, N)   (K, J)

const GAP = 10; // pixels between two pictures
const LABEL = 16; // pixels above and left of them, for their names
const SAMPLES = 120; // pixels for all samples of a batch
const MOST = 26; // pixels of a square, at most
const GLYPH = 11; // pixels of a square from which on its sign is written into it
const ROWS = [
  ["single-signed", "single-signed, batch"],
  ["single-signed-samples", "single-signed, samples"],
  ["delta-norm", "|delta|"],
  ["mean-field", "|delta|, mean field"],
  ["decades", "decades from above"],
  ["saturated", "saturated"],
  ["condition", "condition number"],
];

const dark = matchMedia("(prefers-color-scheme: dark)");
const codesOf = (picture) => Int8Array.from(atob(picture.codes), (char) => char.charCodeAt(0) << 24 >> 24);

export function makeCards(root, looked, send) {
  let built = "";
  let cards = [];
  const look = makeLook(send);
  dark.addEventListener("change", () => cards.forEach((card) => card.paint()));
  new ResizeObserver(() => cards.forEach((card) => card.paint())).observe(root.parentElement);
  return (frame) => {
    const { view, controls } = frame;
    const key = view.cards.map((card) => card.path).join();
    if (built !== key) {
      built = key;
      cards = view.cards.map((card) => makeCard(card.path, look));
      root.replaceChildren(...cards.map((card) => card.element));
    }
    view.cards.forEach((card, i) => cards[i].show(card, frame));
    showLooked(looked, view.looked, controls.sample);
  };
}

// ---- looking at an entry ---------------------------------------------------------------------------------

// Asks for the number of an entry, at most once a frame.
function makeLook(send) {
  let last = "";
  let wanted = null;
  return (place) => {
    if (wanted === null) {
      requestAnimationFrame(() => {
        const key = JSON.stringify(wanted);
        if (key !== last) send({ do: "act", action: "look", with: wanted });
        last = key;
        wanted = null;
      });
    }
    wanted = place ?? {};
  };
}

function showLooked(element, looked, sample) {
  if (!looked) {
    element.textContent = "Point at a square of a picture to read its number.";
    return;
  }
  const [name, what, layer, i] = looked;
  const number = element.querySelector("[data-value]") ?? document.createElement("b");
  number.dataset.value = name;
  const of = what === "g" ? (sample ? `, of sample ${sample}` : ", the mean of the batch") : `, of sample ${i + 1}`;
  element.replaceChildren(`Layer ${layer}: ${what === "g" ? `dC/dw ${name.slice(2)}` : name}${of}, is `, number);
}

// ---- one card --------------------------------------------------------------------------------------------

function makeCard(path, look) {
  const element = document.createElement("article");
  element.className = "card";
  const title = document.createElement("h3");
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "picture of numbers");
  const note = document.createElement("p");
  note.className = "hint";
  const numbers = document.createElement("dl");
  for (const [name, label] of ROWS) {
    const row = document.createElement("div");
    const parts = ["dt", "dd", "dd"].map((tag) => document.createElement(tag));
    parts[0].textContent = label;
    parts[1].dataset.value = `${name}.${path}`;
    parts[2].dataset.value = `other-${name}.${path}`;
    parts[2].className = "other";
    row.append(...parts);
    numbers.append(row);
  }
  element.append(title, canvas, note, numbers);

  let card = null;
  let seen = null;
  let [visible, training] = [false, false]; // what nobody sees is not drawn while the next frame is near
  const paint = () => card && drawCard(canvas, card, seen, visible || !training);
  new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    paint();
  }).observe(element);
  const at = (place) => {
    seen = place;
    look(place && { what: place[0], layer: path, i: place[1], j: place[2] });
    paint();
  };
  for (const kind of ["pointermove", "pointerdown"]) {
    canvas.addEventListener(kind, (event) => {
      const place = placeAt(canvas, card, event);
      if (place) at(place);
    });
  }
  canvas.addEventListener("pointerleave", () => canvas !== document.activeElement && at(null));
  canvas.addEventListener("focus", () => at(seen ?? ["g", 0, 0]));
  canvas.addEventListener("blur", () => at(null));
  canvas.addEventListener("keydown", (event) => {
    const place = moved(card, seen ?? ["g", 0, 0], event.key);
    if (!place) return;
    event.preventDefault();
    at(place);
  });

  const show = (data, { view, controls, values }) => {
    ({ training } = view);
    card = { ...data, sample: Number(controls.sample), codes: { a: codesOf(data.a), delta: codesOf(data.delta), g: codesOf(data.g) } };
    element.style.setProperty("--kind", `var(--${data.activation.replaceAll("_", "-")})`);
    const behind = data.activation === "identity" ? "" : `, ${data.activation.replaceAll("_", " ")}`;
    title.textContent = `layer ${path}: ${data.inputs} → ${data.outputs}${behind}`;
    const drawn = data.a.rows < data.samples ? `The first ${data.a.rows} of ${data.samples} samples are drawn. ` : "";
    note.textContent = `${drawn}${data.positive ? "No input is negative." : "The inputs have both signs."}`;
    canvas.setAttribute("aria-label", `Layer ${path}: inputs a, error signals delta and their product. Arrow keys move over the product, a and d go to the inputs and to delta, g comes back.`);
    for (const row of numbers.children) row.hidden = !(row.children[1].dataset.value in values);
    paint();
  };
  return { element, show, paint };
}

// ---- where things are ------------------------------------------------------------------------------------

// The three pictures of a card of this width: [{what, x, y, w, h of a square, rows, columns}].
function places(card, width) {
  const N = card.a.rows;
  const s = Math.min(MOST, SAMPLES / N);
  const left = LABEL + N * s + GAP;
  const u = Math.max(1.5, Math.min(MOST, (width - left - 1) / card.inputs));
  const v = Math.max(3, Math.min(MOST, 200 / card.outputs));
  const top = LABEL + N * s + GAP;
  return [
    { what: "a", x: left, y: LABEL, w: u, h: s, rows: N, columns: card.inputs },
    { what: "delta", x: LABEL, y: top, w: s, h: v, rows: card.outputs, columns: N },
    { what: "g", x: left, y: top, w: u, h: v, rows: card.outputs, columns: card.inputs },
  ];
}

// [what, i, j] of the entry below the pointer: a[n, j], delta[n, k], g[k, j].
function placeAt(canvas, card, event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  for (const { what, x: left, y: top, w, h, rows, columns } of places(card, box.width)) {
    const [row, column] = [Math.floor((y - top) / h), Math.floor((x - left) / w)];
    if (row < 0 || column < 0 || row >= rows || column >= columns) continue;
    return what === "delta" ? [what, column, row] : [what, row, column];
  }
  return null;
}

function moved(card, [what, i, j], key) {
  if (key === "a") return ["a", 0, 0];
  if (key === "d") return ["delta", 0, 0];
  if (key === "g") return ["g", 0, 0];
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  if (!step) return null;
  const [down, right] = what === "delta" ? [step[1], step[0]] : step; // delta is drawn lying on its side
  const { rows, columns } = card[what];
  return [what, Math.min(rows - 1, Math.max(0, i + down)), Math.min(columns - 1, Math.max(0, j + right))];
}

// ---- drawing ---------------------------------------------------------------------------------------------

const scratch = document.createElement("canvas"); // a pixel an entry, before it is enlarged
const scratchContext = scratch.getContext("2d", { willReadFrequently: true });

function drawCard(canvas, card, seen, drawn) {
  const width = Math.floor(canvas.parentElement.clientWidth - 24);
  if (width <= 0) return;
  const all = places(card, width);
  const { y, h, rows } = all[2];
  const height = Math.ceil(y + h * rows + 2);
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  }
  if (!drawn) return;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  const colours = coloursOf();
  for (const place of all) drawPicture(context, card.codes[place.what], place, colours);
  names(context, all, colours, card);
  if (card.sample) outlineSample(context, all, card.sample - 1, colours);
  if (seen) outline(context, all, seen, colours);
}

let known = null; // the colours of the page, as long as it stays light or dark
dark.addEventListener("change", () => (known = null));

function coloursOf() {
  if (known) return known;
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  known = { ink: of("--ink"), soft: of("--soft"), card: of("--card"), palette: new Uint8ClampedArray(4 * 256) };
  const [plus, minus, ink, line] = ["--plus", "--minus", "--ink", "--line"].map((name) => rgb(of(name)));
  for (let code = -128; code < 128; code++) {
    const colour = code === -128 ? ink : code === 0 ? line : code > 0 ? plus : minus;
    const alpha = code === -128 ? 1 : code === 0 ? 0.35 : 0.25 + (0.75 * Math.abs(code)) / 127;
    known.palette.set([...colour, 255 * alpha], 4 * (code + 128));
  }
  return known;
}

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// The codes as an image of a pixel an entry, enlarged; delta lies on its side.
function drawPicture(context, codes, { what, x, y, w, h, rows, columns }, colours) {
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const palette = new Uint32Array(colours.palette.buffer);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      pixels[row * columns + column] = palette[128 + (what === "delta" ? codes[column * rows + row] : codes[row * columns + column])];
    }
  }
  [scratch.width, scratch.height] = [columns, rows];
  scratchContext.putImageData(image, 0, 0);
  context.drawImage(scratch, x, y, w * columns, h * rows);
  if (Math.min(w, h) > 6) rims(context, x, y, w, h, rows, columns, colours);
  if (Math.min(w, h) < GLYPH) return;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const code = what === "delta" ? codes[column * rows + row] : codes[row * columns + column];
      if (code !== 0 && code !== -128) sign(context, x + (column + 0.5) * w, y + (row + 0.5) * h, code, colours);
    }
  }
}

function rims(context, x, y, w, h, rows, columns, colours) {
  context.fillStyle = colours.card;
  for (let row = 1; row < rows; row++) context.fillRect(x, y + row * h - 0.5, w * columns, 1);
  for (let column = 1; column < columns; column++) context.fillRect(x + column * w - 0.5, y, 1, h * rows);
}

// A plus or a minus, light on strong squares and dark on pale ones.
function sign(context, x, y, code, colours) {
  context.fillStyle = Math.abs(code) > 50 ? "#ffffff" : colours.ink;
  context.fillRect(x - 3, y - 0.75, 6, 1.5);
  if (code > 0) context.fillRect(x - 0.75, y - 3, 1.5, 6);
}

function names(context, [a, delta, g], colours, card) {
  context.fillStyle = colours.soft;
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  context.fillText(card.input === "x" ? "a = x" : "a", a.x, a.y - 4);
  const [x, y] = [LABEL - 4, delta.y];
  context.save();
  context.translate(x, y);
  context.rotate(-Math.PI / 2);
  context.textAlign = "right";
  context.fillText("delta", 0, 0);
  context.restore();
  context.textAlign = "right";
  context.fillText("n ↓", a.x - 6, a.y + 10);
  context.fillText(card.sample ? "delta aᵀ" : "mean of delta aᵀ", g.x - GAP, a.y + a.h * a.rows - 2);
}

function outlineSample(context, [a, delta], n, colours) {
  context.strokeStyle = colours.ink;
  context.lineWidth = 1.5;
  const row = Math.min(n, a.rows - 1);
  context.strokeRect(a.x - 1, a.y + row * a.h - 0.5, a.w * a.columns + 1, a.h + 0.5);
  context.strokeRect(delta.x + row * delta.w - 0.5, delta.y - 1, delta.w + 0.5, delta.h * delta.rows + 1);
}

// The entry itself; of the product, also the column of a and the row of delta that it is made of.
function outline(context, [a, delta, g], [what, i, j], colours) {
  context.strokeStyle = colours.ink;
  context.lineWidth = 2;
  const box = ({ x, y, w, h }, row, column, down = 1, right = 1) => {
    context.strokeRect(x + column * w - 0.5, y + row * h - 0.5, w * right, h * down);
  };
  if (what === "a") box(a, i, j);
  else if (what === "delta") box(delta, j, i);
  else {
    box(g, i, j);
    context.lineWidth = 1;
    box(a, 0, j, a.rows, 1);
    box(delta, i, 0, 1, delta.columns);
  }
}
