"""Q9: the error vanishes with depth."""

from ..finding import Words
from .first_lines import HUNDRED_DIGITS

WORDS = Words(
    id="Q9",
    kind="partly",
    verdict="The error does vanish in a sigmoid net started as usual, but 0.25 is a bound and not the rate: the "
    "weights count as much, and with larger ones the same sigmoid passes the error down undiminished.",
    deciding="|δ| per layer: times {factors}",
    theorem="|δ¹| <= |δᴸ| (1/4)ᴸ⁻¹ times the product of the norms |Wˡ|: only a bound. In a wide random net |δ|² is "
    "multiplied per layer by χ = gain² E[σ'(√q Z)²], Z standard normal, q the variance of z. χ = 0.056 at gain 1, "
    "and 1 at gain {critical}; for 4(σ − 1/2), which is 2 tanh(z/2), it is 1 at gain 1.",
    test="tests/theory/test_d3_depth.py",
    code=HUNDRED_DIGITS
    + """\
for gain in (1, 4, 10.149):
    net = mg.mlp([64] + [100] * 20 + [10], init=lambda rng, K, J: rng.normal(0, gain / J**0.5, (K, J)), rng=0)
    bp = mg.backprop(net, mg.CrossEntropyLoss(), x, y)
    norms = mg.diagnostics.attenuation(bp).norms[:-1]     # of the hidden layers
    theory = mg.diagnostics.mean_field_rate("sigmoid", gain).decades
    print(f"gain {gain}: |delta| per layer times {(norms[5] / norms[-1]) ** (1 / 14):.3f}, theory {10**theory:.3f}")
""",
    pictures={
        "by_layer": "How much of δ is left on the way down through {depth} hidden sigmoid layers, for four sizes "
        "of the first weights. Dots are measured, a line is what theory predicts, the dotted line loses a factor "
        "of 4 in each layer. All four nets have the same derivative of at most 0.25. What differs is the weights.",
        "against_vanishing": "The same for what helps. A millionth of a millionth is left of δ in the plain net. "
        "A centred sigmoid with four times larger weights, tanh, ReLU, a residual net and BatchNorm all keep it: "
        "within a factor of a few over twenty layers.",
        "nielsen": "Size of the averaged δ at each hidden layer before training, as M. Nielsen's book printed it "
        "for MNIST (crosses), and in the same nets on our data (dots, one for each seed). The line: what theory "
        "predicts for the slope. Each layer down costs a factor of about five.",
    },
    caveat="Measured at the start, before training, with independent random weights. At the critical gain of "
    "about 10 most units are saturated and the net is no good for learning; the centred sigmoid needs only 4. "
    "M. Nielsen's numbers are from MNIST, ours beside them from the data of this report (he used 1000 images, so "
    "do we), with his weights N(0, 1/inputs) and biases N(0, 1).",
)
