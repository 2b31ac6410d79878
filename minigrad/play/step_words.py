"""The second scene in words: each number spelled out, the sentence of each phase, and the letters of other texts.

Hidden units and their weights carry plain letters here (z, a, delta), those of the output the word "out". Units are
counted from 1 in words and from 0 in names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .step_pass import LAYERS, NETS, Pass, shape
from .wire import rounded

PHASES = (
    "the sample",
    "forward: the hidden layer",
    "forward: the output, the loss",
    "back: delta of the output",
    "back: gradient of layer 2",
    "back: delta of the hidden layer",
    "back: gradient of layer 0",
    "update",
)
FUNCTION = {"sigmoid": "σ", "tanh": "tanh", "relu": "max(0, ·) of "}
# Ours, Nielsen's (Neural Networks and Deep Learning) and CS231n's (Stanford), for each phase.
LETTERS = (
    ("x (N, J), a sample is a row", "a¹ = x, a column for each sample", "X (N, D), a sample is a row"),
    ("z = x Wᵀ + b, a = f(z)", "z² = w² a¹ + b², a² = σ(z²)", "hidden = f(X.dot(W) + b), whose W is our Wᵀ"),
    ("z = a Wᵀ + b, C = mean of c_n", "z³ = w³ a² + b³, C = mean of C_x", "scores = hidden.dot(W2) + b2, loss"),
    (
        "delta = dc_n/dz: no 1/N yet",
        "δ³ = ∇C ⊙ σ′(z³) (BP1), of one sample",
        "dscores = d loss/d scores: the 1/N enters here",
    ),
    (
        "dC/dW = 1/N Σ delta aᵀ: the 1/N enters here, once",
        "∂C/∂w³_jk = a²_k δ³_j (BP4), of one sample",
        "dW2 = hidden.T.dot(dscores)",
    ),
    ("delta below = (delta W) f′(z)", "δ² = (w³)ᵀδ³ ⊙ σ′(z²) (BP2)", "dhidden = dscores.dot(W2.T), times f′"),
    ("dC/dW = 1/N Σ delta xᵀ, as above", "∂C/∂w²_jk = a¹_k δ²_j (BP4)", "dW = X.T.dot(dhidden)"),
    ("W ← W − lr dC/dW", "w ← w − η/m Σ δ aᵀ: his 1/m enters here", "W += -step_size * dW"),
)


def letters(phase: int) -> list[list[str]]:
    """[[whose, formula]] of the phase."""
    return [[who, text] for who, text in zip(("ours", "Nielsen", "CS231n"), LETTERS[phase], strict=True)]


def sub(*numbers: int) -> str:
    """Indices as they are written, counted from 1."""
    return "".join("₁₂₃₄₅₆₇₈₉"[number] for number in numbers)


def signed(value: float) -> str:
    """A number inside a product: negative ones in brackets."""
    return f"({rounded(value)})" if value < 0 else rounded(value)


def sources(net: str, layer: int) -> list[str]:
    """The names of the inputs of a layer."""
    return [f"x.{j}" if layer == 0 else f"a.0.{j}" for j in range(shape(net, layer)[1])]


def spelled(state: Mapping[str, Any], found: Pass, values: Mapping[str, float]) -> dict[str, str]:
    """{name: how it is computed, in numbers}, for every number of the pass."""
    said = {}
    for layer in LAYERS:
        K, J = shape(state["net"], layer)
        letter, inputs = ("x" if layer == 0 else "a"), sources(state["net"], layer)
        z, d = ("z", "delta") if layer == 0 else ("out", "delta_out")
        before = found.weights(after=False)
        for k in range(K):
            w = [f"w.{layer}.{k}.{j}" for j in range(J)]
            symbols = " + ".join(f"w{sub(k, j)} {letter}{sub(j)}" for j in range(J))
            numbers = " + ".join(f"{signed(before[w[j]])} · {signed(values[inputs[j]])}" for j in range(J))
            bias, out = before[f"b.{layer}.{k}"], values[f"z.{layer}.{k}"]
            said[f"z.{layer}.{k}"] = (
                f"{z}{sub(k)} = {symbols} + b{sub(k)} = {numbers} + {signed(bias)} = {rounded(out)}"
            )
            for j in range(J):
                factors = [(h[0][k], h[1][j]) for h in zip(*found.bp.gradients[str(layer)].rows(), strict=True)]
                name = f"dC/dw{sub(k, j)} = {{}}{d}{sub(k)} · {letter}{sub(j)}"
                said[f"g.{layer}.{k}.{j}"] = _mean(name, factors, values[f"g.{layer}.{k}.{j}"])
                said[w[j]] = _weight(f"w{sub(k, j)}", state, before[w[j]], values[f"g.{layer}.{k}.{j}"], values[w[j]])
            deltas = [(row[k], 1.0) for row in found.bp.gradients[str(layer)].rows()[0]]
            gb, b = f"gb.{layer}.{k}", f"b.{layer}.{k}"
            said[gb] = _mean(f"dC/db{sub(k)} = {{}}{d}{sub(k)} · 1", deltas, values[gb])
            said[b] = _weight(f"b{sub(k)}", state, before[b], values[gb], values[b])
    return said | _hidden(state, found, values) | _output(state, found, values)


def _mean(name: str, factors: list[tuple[float, float]], result: float) -> str:
    """A product of one sample, or the mean of those of several: here the 1/N enters."""
    products = " + ".join(f"{signed(delta)} · {signed(a)}" for delta, a in factors)
    N = len(factors)
    if N == 1:
        return f"{name.format('')} = {products} = {rounded(result)}"
    return f"{name.format(f'1/{N} Σ ')} = 1/{N} ({products}) = {rounded(result)}"


def _weight(name: str, state: Mapping[str, Any], before: float, gradient: float, after: float) -> str:
    if before == after:
        return f"{name} = {rounded(before)}: drag it, type, or use the arrow keys"
    step = f"{rounded(before)} − {rounded(state['lr'])} · {signed(gradient)}"
    return f"{name} ← {name} − lr dC/d{name} = {step} = {rounded(after)}"


def _hidden(state: Mapping[str, Any], found: Pass, values: Mapping[str, float]) -> dict[str, str]:
    """a and delta of the hidden layer."""
    said, K = {}, NETS[state["net"]][2]
    before, kind = found.weights(after=False), state["activation"]
    for i in range(NETS[state["net"]][1]):
        a, z = values[f"a.0.{i}"], values[f"z.0.{i}"]
        said[f"a.0.{i}"] = f"a{sub(i)} = {FUNCTION[kind]}({rounded(z)}) = {rounded(a)}"
        slope = float(found.net[1].slope(z))
        written = {"sigmoid": f"a{sub(i)} (1 − a{sub(i)})", "tanh": f"(1 − a{sub(i)}²)", "relu": f"[z{sub(i)} > 0]"}
        symbols = " + ".join(f"w{sub(k, i)} delta_out{sub(k)}" for k in range(K))
        numbers = " + ".join(f"{signed(before[f'w.2.{k}.{i}'])} · {signed(values[f'delta.2.{k}'])}" for k in range(K))
        said[f"delta.0.{i}"] = (
            f"delta{sub(i)} = ({symbols}) · {written[kind]} = ({numbers}) · {rounded(slope)} "
            f"= {rounded(values[f'delta.0.{i}'])}"
        )
    return said


def _output(state: Mapping[str, Any], found: Pass, values: Mapping[str, float]) -> dict[str, str]:
    """delta of the output, the loss, and what is given: x and y."""
    K, N = NETS[state["net"]][2], state["samples"]
    said = {}
    for k in range(K):
        out, y, delta = (values[name] for name in (f"z.2.{k}", f"y.{k}", f"delta.2.{k}"))
        rule = f"out{sub(k)} − y{sub(k)}" if K == 2 else f"2 (out{sub(k)} − y{sub(k)})"
        numbers = f"{rounded(out)} − {signed(y)}" if K == 2 else f"2 ({rounded(out)} − {signed(y)})"
        said[f"delta.2.{k}"] = f"delta_out{sub(k)} = dc/dout{sub(k)} = {rule} = {numbers} = {rounded(delta)}"
        said[f"y.{k}"] = f"y{sub(k)} = {rounded(y)}, the target: drag it, type, or use the arrow keys"
    squares = " + ".join(f"({rounded(values[f'z.2.{k}'])} − {signed(values[f'y.{k}'])})²" for k in range(K))
    one = f"½ ({squares})" if K == 2 else squares
    mean = "" if N == 1 else f"; C = 1/{N} Σ c"
    said["loss"] = f"c = {one}{mean} = {rounded(found.bp.loss)}"
    said["loss-after"] = f"the loss of a pass with the new weights: {rounded(found.loss_after)}"
    for j in range(2):
        said[f"x.{j}"] = f"x{sub(j)} = {rounded(values[f'x.{j}'])}, an input: drag it, type, or use the arrow keys"
    return said


def lit(net: str) -> dict[str, list[str]]:
    """{name: the names of the numbers that it is computed from}."""
    found: dict[str, list[str]] = {}
    K = NETS[net][2]
    for layer in LAYERS:
        inputs = sources(net, layer)
        for k in range(shape(net, layer)[0]):
            weights = [f"w.{layer}.{k}.{j}" for j in range(len(inputs))]
            found[f"z.{layer}.{k}"] = [*weights, *inputs, f"b.{layer}.{k}"]
            found[f"gb.{layer}.{k}"] = [f"delta.{layer}.{k}"]
            found |= {f"g.{layer}.{k}.{j}": [f"delta.{layer}.{k}", name] for j, name in enumerate(inputs)}
    for i in range(NETS[net][1]):
        found[f"a.0.{i}"] = [f"z.0.{i}"]
        found[f"delta.0.{i}"] = [f"a.0.{i}", *(f"{name}.{k}" for k in range(K) for name in ("delta.2",))]
        found[f"delta.0.{i}"] += [f"w.2.{k}.{i}" for k in range(K)]
    found |= {f"delta.2.{k}": [f"z.2.{k}", f"y.{k}"] for k in range(K)}
    return found | {"loss": [f"{name}.{k}" for k in range(K) for name in ("z.2", "y")]}


# ---- the sentence ----------------------------------------------------------------------------------------


def sentence(state: Mapping[str, Any], found: Pass, values: Mapping[str, float]) -> str:
    """What is seen in the phase of now, from its numbers."""
    phase, net, N = state["phase"], state["net"], state["samples"]
    _, hidden, K = NETS[net]
    deltas = {layer: [values[f"delta.{layer}.{k}"] for k in range(shape(net, layer)[0])] for layer in LAYERS}
    if phase == 0:
        out = ("one number", "two numbers")[K - 1]
        return f"Two inputs go in, {out} shall come out. Every number in a box can be changed."
    if phase == 1:
        return _signs_of_a([values[f"a.0.{i}"] for i in range(hidden)], state["activation"])
    if phase == 2:
        errors = _list(abs(delta) * K / 2 for delta in deltas[2])
        return f"The output is off by {errors}: the loss is {rounded(found.bp.loss)}."
    if phase == 3:
        return _output_errors(deltas[2])
    if phase in (4, 6):
        layer = 2 if phase == 4 else 0
        inputs = [values[name] for name in sources(net, layer)]
        return _rows(deltas[layer], inputs, layer) if N == 1 else _batch(found, layer)
    if phase == 5:
        slopes = [float(found.net[1].slope(values[f"z.0.{i}"])) for i in range(hidden)]
        return (
            "The errors come back through the same weights. Then each is multiplied by the slope of its neuron: "
            f"{_list(slopes)}."
        )
    change = "falls" if found.loss_after < found.bp.loss else "does not fall"
    return (
        f"Every weight took its step, lr times its gradient: the loss {change}, from {rounded(found.bp.loss)} to "
        f"{rounded(found.loss_after)}. All other numbers are those of the pass before the step."
    )


def _list(numbers: Any) -> str:
    texts = [rounded(float(number)) for number in numbers]
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _signs_of_a(a: list[float], kind: str) -> str:
    positive, negative = sum(value > 0 for value in a), sum(value < 0 for value in a)
    if positive == len(a):
        because = "; a sigmoid cannot give any other" if kind == "sigmoid" else ""
        return f"All {len(a)} outputs of the hidden layer are positive{because}."
    return f"Of the {len(a)} outputs of the hidden layer {positive} are positive and {negative} negative."


def _output_errors(deltas: list[float]) -> str:
    errors = ["too high" if delta > 0 else "too low" if delta < 0 else "right" for delta in deltas]
    words = [f"output {k} is {error}" for k, error in enumerate(errors, 1)]
    return f"{' and '.join(words).capitalize()}: delta says by how much, with its sign, and has no 1/N in it."


def _rows(deltas: list[float], inputs: list[float], layer: int) -> str:
    """How the weights into each neuron move: a row of delta a^T has one sign where all inputs have one."""
    one_sign = all(value > 0 for value in inputs) or all(value < 0 for value in inputs)
    where = "the hidden layer" if layer == 0 else "the output"
    letter = "x" if layer == 0 else "a"
    if not one_sign:
        return f"The inputs {letter} have both signs, so the weights into one neuron of {where} move both ways."
    k = max(range(len(deltas)), key=lambda k: abs(deltas[k]))
    if deltas[k] == 0:
        return f"delta is zero at every neuron of {where}: nothing moves."
    towards, sign = ("down", "positive") if deltas[k] > 0 else ("up", "negative")
    kind = "positive" if inputs[0] > 0 else "negative"
    if kind == "negative":
        towards = {"down": "up", "up": "down"}[towards]
    both = "Both" if len(inputs) == 2 else f"All {('no', 'one', 'two', 'three')[len(inputs)]}"
    return (
        f"{both} weights into neuron {k + 1} of {where} go {towards}: its delta is {sign} and every {letter} is {kind}."
    )


def _batch(found: Pass, layer: int) -> str:
    g = found.bp.gradients[str(layer)].weight
    single = sum(bool((row >= 0).all() or (row <= 0).all()) for row in g)
    return (
        f"The gradient is the mean of {len(found.x)} products, and here the 1/N enters: {single} of {len(g)} rows have "
        "one sign."
    )
