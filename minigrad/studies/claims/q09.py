"""Q9: the error vanishes with depth."""

from ..finding import Picture, Words
from .first_lines import HUNDRED_DIGITS

WORDS = Words(
    id="Q9",
    kind="partly",
    verdict="The error does vanish in a sigmoid net started as usual, but 0.25 is a bound and not the rate: the "
    "weights count as much, and with larger ones the same sigmoid passes the error down undiminished.",
    deciding="$|delta|$ per layer: times {factors}",
    theorem="$|delta^1| <= |delta^L| (1/4)^(L-1)$ times the product of the norms $|W^l|$: only a bound. In a wide "
    "random net $|delta|^2$ is multiplied per layer by $chi = gain^2 E[sigma'(√q Z)^2]$, $Z$ standard normal, $q$ the "
    "variance of $z$. $chi$ is 0.056 at gain 1, and 1 at gain {critical}; for $4(sigma - 1/2)$, which is $2 "
    "tanh(z/2)$, it is 1 at gain 1.",
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
        "by_layer": Picture(
            "How much of delta is left on the way down through {depth} sigmoid layers, for four sizes of the first "
            "weights. Dots are measured, lines are theory; the dotted one loses a factor of 4 a layer. All four nets "
            "have the same derivative. What differs is the weights.",
            alt="Four lines with dots that fall from 1 at layer {depth}. What is left at layer 1: {left}. The dotted "
            "line of 0.25 per layer ends at {quarter:.0e}.",
        ),
        "against_vanishing": Picture(
            "The same for what helps. A centred sigmoid with four times larger weights, tanh, ReLU, a residual net and "
            "BatchNorm all keep delta, within a factor of about ten over twenty layers.",
            alt="The line of the plain sigmoid net falls to {plain:.0e} at layer 1. The others stay close together at "
            "the top: {kept}.",
        ),
        "nielsen": Picture(
            "Size of the averaged delta before training, as M. Nielsen's book printed it for MNIST (crosses), and in "
            "the same nets on our data (dots). The line has the slope that theory predicts.",
            alt="Three panels, nets of 2, 3 and 4 hidden layers, on a logarithmic scale. From a layer to the one below "
            "delta is multiplied by {ours:.2f} in our nets, in the median, by {published:.2f} in the published ones, "
            "and by {slope:.2f} along the line.",
        ),
    },
    caveat="Measured before training, with independent random weights. At the critical gain of about 10 most units are "
    "saturated and the net is no good for learning; the centred sigmoid needs only 4. Nielsen's nets have weights "
    "N(0, 1/inputs), biases N(0, 1) and 1000 images; so do ours.",
)
