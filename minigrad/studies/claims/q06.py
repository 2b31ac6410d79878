"""Q6: a mini-batch restores the freedom."""

from ..finding import Picture, Words

WORDS = Words(
    id="Q6",
    kind="partly",
    verdict="Half true: behind sigmoid most rows stay single-signed at the start, in batches of up to {large}, and "
    "many after training. ReLU is nearly freed; tanh was never bound.",
    deciding="batches of {large} at the start: {sigmoid:.0f} % of the rows single-signed behind sigmoid, {relu:.0f} % "
    "behind ReLU, {tanh:.0f} % behind tanh",
    theorem="If delta has mean zero and knows nothing of $a$, the chance that a row stays single-signed tends, for "
    "large batches, to twice the chance that a normal vector of covariance $H = E[a a^T]$ has only positive entries. "
    "For $J$ independent units of mean/spread $r$ it falls only like a power of $J$; for centred ones it is $2^(1-J)$.",
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
        "batch_survival": Picture(
            "Nets before training: rows of the output layer's gradient that still have one sign, against the size of "
            "the batch. The sum over samples frees ReLU, but hardly sigmoid, whose activations all lie near 1/2. "
            "Dashed: the limit that the theorem computes from the activations.",
            alt="Three lines over batches of 1 to {last} samples. Sigmoid goes from {sizes[sigmoid][0]:.0f} to "
            "{sizes[sigmoid][1]:.0f} % of the rows, with a dashed limit of {limit:.0f} %; ReLU falls from "
            "{sizes[relu][0]:.0f} to {sizes[relu][1]:.0f} %; tanh goes from {sizes[tanh][0]:.0f} to "
            "{sizes[tanh][1]:.0f} %.",
        ),
        "batch_training": Picture(
            "The same nets while they learn, in batches of {usual}. Behind sigmoid the share falls as its activations "
            "spread, but not to tanh's.",
            alt="Three lines over {epochs} epochs. Sigmoid goes from {during[sigmoid][0]:.0f} to "
            "{during[sigmoid][1]:.0f} % of the rows, ReLU from {during[relu][0]:.0f} to {during[relu][1]:.0f} %, tanh "
            "from {during[tanh][0]:.0f} to {during[tanh][1]:.0f} %.",
        ),
    },
    caveat="The share depends on the layer, the start and the data. Real delta has a mean and, while a net learns, "
    "knows much about $a$: then the theorem's limit is too low. A row of mixed signs is not yet a fast one (Q7).",
)
