"""Q7: the sign rule and the zig-zag."""

from ..finding import Words

WORDS = Words(
    id="Q7",
    kind="not the cause",
    verdict="Rotate the inputs of every layer, and its weights with them: the updates no longer share one "
    "pair of opposite orthants, and plain gradient descent and momentum have the same losses. So orthants are "
    "not what makes them slow: the mean of the inputs is, for which single samples pay a constant factor of 4 "
    "and batches a factor that grows with the width. Adam takes the axes one by one: for it, where the mean "
    "points counts as well.",
    deciding="rotated: single-signed rows {rows[0]:.0f} → {rows[1]:.0f} %, pairs in the same "
    "orthants {pairs[0]:.0f} → {pairs[1]:.1f} %, losses of SGD and momentum the same to "
    "{change:.0e}; {units} sigmoid inputs cost single samples "
    "{one:.1f} times what centred ones do, all samples at once {all:.0f} times; "
    "five layers: sigmoid needs {slower:.1f} times the steps of tanh",
    theorem="Rotation: SGD and momentum know the inputs of a linear layer only through a_m · a_n and the first "
    "outputs, so a → Q a, W → W Qᵀ leaves every loss as it is, for each orthogonal Q. Sign flip: Q with ±1 on "
    "its diagonal, exact to the last bit, and for RMSprop and Adam too. What counts is H = E[a aᵀ]: for J units of "
    "mean/spread r its condition number is 1 + J r², and no step size for each weight makes it smaller; with "
    "the mean along one axis the right ones make it 1. One sample at a time the price is 1 + r²/2. A step lr "
    "multiplies the error along the steepest axis by 1 − lr λ₁: no zig-zag up to lr = 1/λ₁, one at every step "
    "at the fastest rate.",
    test="tests/theory/test_c10_rotation.py tests/theory/test_c1_gauge.py tests/theory/test_c11_diagonal.py "
    "tests/theory/test_c12_outlier.py tests/theory/test_c4_conditioning.py tests/theory/test_c5_zigzag.py "
    "tests/theory/test_c7_single_sample.py tests/theory/test_c9_tanh_twin.py",
    code="""\
import minigrad as mg
import numpy as np
from minigrad.diagnostics import gauge_flip, orthant_pairs, rotate, single_signed_share

x, y, _, _ = mg.datasets.load("digits")
x, y = (x[:500] + 1) / 17, y[:500]                          # all pixels positive
net = mg.mlp([64, 32, 10], activation="sigmoid", rng=0)
v = x.mean(axis=0) / np.linalg.norm(x.mean(axis=0)) - np.eye(64)[0]
Q = np.eye(64) - 2 * np.outer(v, v) / (v @ v)               # turns the mean onto the first axis
for net, x in ((net, x), gauge_flip(net, x, np.tile([1, -1], 32)), rotate(net, x, Q)):
    g = mg.backprop(net, mg.CrossEntropyLoss(), x, y).gradients["0"]
    print(single_signed_share(g, per_sample=True), "of the rows single-signed,", orthant_pairs(g), "of the pairs")
    print(mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr=0.1), x, y, epochs=3, batch_size=1, rng=0).loss)
""",
    pictures={
        "zigzag": "The same run three times: one neuron with two sigmoid inputs (above: 200 samples) looks for its "
        "two weights (the cross, below) by gradient descent at the best learning rate. Orange steps raise both "
        "weights, blue ones lower both, dark ones raise one and lower the other. Left: the textbook zig-zag. Middle: "
        "the sign of one input and its weight flipped; no step is single-signed, but all inputs still lie in one "
        "quadrant. Right: inputs and weights rotated; the inputs lie in no common quadrant, and every other step is "
        "single-signed. The losses are the same, in the middle to the last bit, on the right to rounding: what makes "
        "it slow is not which quadrant the inputs lie in, but how far their mean is from 0.",
        "three_runs": "Nets of sigmoids learn digits, a sample at a time: as they are, flipped, and with the inputs of "
        "every layer rotated so that their mean lies along one axis. SGD and momentum do not notice: three lines are "
        "one. Adam does not notice the flip, but takes the axes one by one, and so goes another way in rotated ones.",
        "zigzag_lr": "The same neuron with ten inputs, at learning rates from small to almost too large. Up to 1/λ₁ "
        "there is no zig-zag. From there the zig-zag grows and the run gets faster, up to about the rate that is "
        "best in the worst case, 2/(λ₁+λ_J). Only beyond it does more zig-zag mean slower.",
        "decomposition": "Nets of five layers. Three of the seven have single-signed rows (full bars). The "
        "sigmoid net with its usual start is by far the slowest; started so that it computes what the tanh net "
        "computes, it needs less than twice tanh's steps, and tanh + 1, all of whose outputs are positive, little "
        "more. All three obey the same sign rule. Ticks are single seeds.",
        "offsets": "Nets of five tanh layers whose outputs are shifted by c (full line), all starting as the same "
        "function. Above: how many rows are single-signed. Below: the steps they need. When the shift has a random "
        "sign for each unit (dashed), the signs are mixed, and the cost is the same: it is the size of the mean that "
        "counts.",
    },
    caveat="The lecture speaks of single samples, and there it is right up to a constant: rows are single-signed, "
    "and alike inputs cost 1 + r²/2 = 3.9 times the samples. But that constant is the mean's as well, for it "
    "survives the rotation. The signs say which direction is the steepest, not how steep it is: offsets of random "
    "sign cost as much as positive ones. Flips are exact for all optimisers here, rotations to rounding, and only "
    "for SGD and momentum. The step counts are of small nets on few data; their order is what carries over.",
)
