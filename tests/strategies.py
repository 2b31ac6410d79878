"""Random inputs for the tests: arrays by the letters of their shape, nets, and losses with fitting targets.

Letters as everywhere: n sample (N), k output neuron (K), j input (J).
"""

import catalogue
import numpy as np
from catalogue import ACTIVATION_CLASSES, KINDS, KINKED, SMOOTH
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg

DTYPES = (np.float32, np.float64)
LOSSES = {name: example.loss for name, example in catalogue.LOSSES.items()}

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def finite(dtype, **limits):
    """All finite floats of a type: zeros of both signs, subnormals and the largest ones included."""
    return st.floats(width=np.dtype(dtype).itemsize * 8, allow_nan=False, allow_infinity=False, **limits)


def arrays(dtype, shape, elements=None):
    """Arrays of a shape, by default of any finite floats."""
    return hnp.arrays(dtype, shape, elements=finite(dtype) if elements is None else elements, fill=st.nothing())


@st.composite
def mixtures(draw, dtype, shape, elements=None):
    """Arrays of any size whose entries are taken, again and again, from a few drawn floats: cheap to draw."""
    few = draw(arrays(dtype, st.integers(1, 8), elements))
    return np.random.default_rng(draw(seeds)).choice(few, shape)


def shaped(letters, sizes, rng, dtype=np.float64):
    """Normal numbers in an array of shape "NK", "KJ", ... with the sizes {"N": ..., ...}."""
    return rng.standard_normal([sizes[letter] for letter in letters]).astype(dtype)


def outputs_and_targets(name, N, K, rng):
    """An output (N, K) and targets that the loss of that name accepts."""
    return catalogue.LOSSES[name].pair(rng, N, K)


@st.composite
def layer_stacks(draw, width, kinds, coupled, most=5):
    """Layers that fit one another, from the given width on, and the last width."""
    layers = []
    parts = ["linear", "activation", "residual", *(["batchnorm", "dropout"] if coupled else [])]
    for part in draw(st.lists(st.sampled_from(parts), min_size=1, max_size=most)):
        seed = draw(seeds)
        if part == "linear":
            K = draw(sizes)
            layers.append(mg.Linear(width, K, bias=draw(st.booleans()), rng=seed))
            width = K
        elif part == "activation":
            layers.append(ACTIVATION_CLASSES[draw(st.sampled_from(kinds))]())
        elif part == "residual":
            inside = ACTIVATION_CLASSES[draw(st.sampled_from(SMOOTH))]()
            layers.append(mg.Residual(mg.Linear(width, width, rng=seed), inside))
        else:
            layers.append(mg.BatchNorm(width, eps=0.1) if part == "batchnorm" else mg.Dropout(0.4, rng=seed))
    return layers, width


@st.composite
def problems(draw, kinds=KINDS, coupled=False):
    """(net, loss, x, y): a random net of few weights, with random biases, away from the kinks.

    coupled: may the samples depend on one another, by BatchNorm, or the run on a generator, by Dropout?
    """
    J, rng = draw(sizes), np.random.default_rng(draw(seeds))
    layers, K = draw(layer_stacks(J, kinds, coupled))
    fitting = (name for name, example in catalogue.LOSSES.items() if example.least_outputs <= K)
    # Dropout may drive a probability close to 0 or 1.
    name = draw(st.sampled_from([n for n in fitting if not (coupled and catalogue.LOSSES[n].of_probabilities)]))
    of_probabilities = catalogue.LOSSES[name].of_probabilities
    if of_probabilities:
        layers.append(mg.Sigmoid())
    net = mg.Sequential(*layers)
    for parameter in net.parameters().values():
        parameter += 0.3 * rng.standard_normal(parameter.shape)
    N = draw(st.integers(2 if coupled else 1, 4))
    x, y = rng.standard_normal((N, J)), outputs_and_targets(name, N, K, rng)[1]
    a = x
    if not coupled:
        for layer in net:
            assume(getattr(layer, "kind", "") not in KINKED or np.abs(a).min() > 1e-3)
            a = layer.forward(a)[0]
        assume(not of_probabilities or (0.01 < a.min() and a.max() < 0.99))  # differences must not leave [0, 1]
    return net, LOSSES[name], x, y
