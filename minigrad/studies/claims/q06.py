"""Q6: a mini-batch restores the freedom."""

from ..finding import Words

WORDS = Words(
    id="Q6",
    kind="partly",
    verdict="Half true: a batch can mix the signs of a row, but behind sigmoid most rows stay single-signed at the "
    "start, in batches of up to {large}, and many after training. ReLU is nearly freed; tanh was never bound.",
    deciding="batches of {large} at the start: {sigmoid:.0f} % of the rows single-signed behind "
    "sigmoid, {relu:.0f} % behind ReLU, {tanh:.0f} % behind tanh",
    theorem="If delta has mean zero and knows nothing of a, the chance that a row stays single-signed tends, for "
    "large batches, to twice the chance that a normal vector of covariance H = E[a aᵀ] has only positive entries. "
    "For J independent units of mean/spread r it falls only like a power of J; for centred units it is 2^(1−J).",
    test="tests/theory/test_a4_batch.py tests/theory/test_a5_survival.py",
    code="""\
import minigrad as mg
from minigrad.diagnostics import batch_survival, survival_limit

x, y, _, _ = mg.datasets.load("digits")
for activation in ("sigmoid", "relu", "tanh"):
    net = mg.mlp([64, 64, 64, 10], activation=activation, rng=0)
    g = mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients["4"]
    shares = [round(batch_survival(g, size, rng=0), 2) for size in (1, 8, 64, 256)]
    print(activation, shares, "limit", survival_limit(g.a, rng=0))
""",
    pictures={
        "batch_survival": "Nets before training: how many rows of the output layer's gradient still have one sign, "
        "against the size of the batch. With one sample it is all of them, behind sigmoid and ReLU alike. The sum "
        "over a batch frees ReLU, but hardly sigmoid, whose activations all lie near 1/2 and so make nearly "
        "parallel inputs. Dashed: the limit that the theorem computes from the activations.",
        "batch_training": "The same nets while they learn, batches of {usual}. Behind sigmoid the share of "
        "single-signed rows falls, as its activations spread, but it does not come near tanh.",
    },
    caveat="Which share survives depends on how strongly the mean of the activations stands out against their "
    "spread, hence on the layer, the start and the data. Real delta has a mean, small at the start, so that in "
    "ever larger batches a row ends with one sign or with two for good. While a net learns, delta also knows much "
    "about a, and the theorem's limit is too low. A row of mixed signs is not yet a fast one (Q7).",
)
