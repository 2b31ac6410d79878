// Scene 3, a whole net: its settings, what it answers, its losses, and a card a layer.

import { makeAnswers } from "./train_answers.js";
import { makeCards } from "./train_cards.js";
import { calm, html, sayNow, showRunning } from "./common.js";
import { makeCurve, makeStrip } from "./train_lines.js";
import { makeSettings } from "./train_controls.js";
import { makeFindings } from "./train_findings.js";

const CALM = 250; // steps
const LAYOUT = `
  <h1>What does a whole net do?</h1>
  <section class="pictures" aria-label="What the net answers, and its losses">
    <div class="answers" id="answers"></div>
    <figure class="curve" id="curve"></figure>
  </section>
  <section class="now" aria-label="Now">
    <p class="sentence" id="sentence" aria-live="polite"></p>
    <div class="buttons">
      <button data-testid="step" data-act="step">step</button>
      <button data-testid="run" id="run">run</button>
      <button data-testid="reset" data-act="reset">reset</button>
    </div>
    <div class="line-of">
      <span class="many"><input type="number" id="n" min="1" step="1" value="100" aria-label="how many steps">
        <button data-testid="steps" id="steps">steps</button></span>
      <label class="pick">speed <select data-testid="speed" data-control="speed" data-choices="speed"></select></label>
    </div>
    <table class="numbers"><thead><tr><td></td><th scope="col">this net</th><th scope="col" class="other">compared</th></tr></thead><tbody>
      <tr><th scope="row">steps</th><td data-value="steps"></td><td class="other" data-value="other-steps"></td></tr>
      <tr><th scope="row">epochs</th><td data-value="epochs"></td><td class="other" data-value="other-epochs"></td></tr>
      <tr><th scope="row">loss</th><td data-value="loss"></td><td class="other" data-value="other-loss"></td></tr>
      <tr class="test"><th scope="row">held-out loss</th><td data-value="test-loss"></td><td class="other" data-value="other-test-loss"></td></tr>
      <tr><th scope="row">share right</th><td data-value="accuracy"></td><td class="other" data-value="other-accuracy"></td></tr>
      <tr class="test"><th scope="row">held-out share right</th><td data-value="test-accuracy"></td><td class="other" data-value="other-test-accuracy"></td></tr>
    </tbody></table>
  </section>
  <section class="controls" id="controls" aria-label="Settings"></section>
  <section class="compare" aria-label="Compare and diagnose">
    <label class="pick"><span>compare with</span> <select data-testid="compare" data-control="compare" data-choices="compare"></select></label>
    <p class="hint" id="compared" hidden>The second net sees the same batches in the same order.</p>
    <button data-testid="seeds" data-act="seeds">train 64 seeds</button>
    <p class="hint" id="fan" role="status"></p>
    <div id="findings"></div>
  </section>
  <section class="layers" aria-labelledby="layers-title">
    <h2 id="layers-title">Layer by layer: delta times a</h2>
    <p class="hint">The pass over the batch that the next step takes. Each gradient is the error signal delta times the input a;
      its number is read by pointing at a square, or with the arrow keys.
      <span class="key"><i class="plus">+</i> plus <i class="minus">−</i> minus <i></i> zero</span></p>
    <div class="line-of">
      <label class="pick">product of <select data-testid="sample" data-control="sample" id="sample"></select></label>
      <p class="looked" aria-live="polite" id="looked"></p>
    </div>
    <div class="grid-of-cards">
      <figure class="deltas" id="strip"></figure>
      <div class="cards" id="cards"></div>
      <dl class="words">
        <dt>single-signed</dt><dd>share of the rows of dC/dW (one a neuron) whose entries have one sign: of the mean over the batch, and of each sample alone</dd>
        <dt>mean field</dt><dd>what a very wide net of random weights of this size would make of |delta| on the way down</dd>
        <dt>decades</dt><dd>powers of ten that |delta| loses (below 0) or wins on its way from the layer above</dd>
        <dt>saturated</dt><dd>share of the slopes of the activation behind the layer that are below 0.01</dd>
        <dt>condition number</dt><dd>how much longer the inputs make the valley of the loss than it is wide, squared: the larger, the slower plain descent</dd>
      </dl>
    </div>
  </section>`;

export function build(root, send) {
  root.append(html(LAYOUT));
  const find = (selector) => root.querySelector(selector);
  const settings = makeSettings(root, send);
  const answers = makeAnswers(find("#answers"));
  const curve = makeCurve(find("#curve"));
  const strip = makeStrip(find("#strip"));
  const cards = makeCards(find("#cards"), find("#looked"), send);
  const findings = makeFindings(find("#findings"), send);
  const take = (n) => send({ do: "act", action: "steps", with: { n } });
  find("#steps").addEventListener("click", () => take(find("#n").valueAsNumber));
  find("#run").addEventListener("click", (event) => {
    if (!calm.matches) return;
    event.stopPropagation(); // who wants no motion gets the steps of a second at once
    take(CALM);
  });
  return (frame) => {
    const { view, controls, values } = frame;
    sayNow(find("#sentence"), view.sentence, view.training);
    showRunning(find("#run"), view.training);
    const compared = view.curves.length > 1;
    root.classList.toggle("two", compared);
    root.classList.toggle("no-test", view.data.test === 0);
    find("#compared").hidden = !compared;
    const names = namesOf(view, controls);
    settings(view, controls);
    answers(view, names);
    curve(view, names);
    strip(view.training, view.cards.map((card) => card.path), values, names);
    cards(frame);
    findings(view.diagnosis);
    sayNow(find("#fan"), view.seeds?.sentence ?? "", frame.running);
  };
}

// What the two nets are called, and the colours of their lines: that of an activation where they differ by it.
function namesOf(view, controls) {
  const kinds = [...new Set(controls.hidden.map(([, kind]) => kind))];
  const own = kinds.length === 1 ? kinds[0] : "identity";
  const [how, what] = controls.compare.split(":");
  const other = how === "twin" ? "tanh" : how === "activation" ? what : own;
  const label = view.choices.compare.find(([value]) => value === controls.compare)?.[1] ?? "";
  return [
    { label: "this net", kind: own, dash: "" },
    { label, kind: other === own ? "identity" : other, dash: "7 3" },
  ];
}
