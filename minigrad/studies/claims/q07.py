"""Q7: the sign rule and the zig-zag."""

from ..finding import Picture, Words

WORDS = Words(
    id="Q7",
    kind="not the cause",
    verdict="Rotate the inputs of every layer with its weights: the updates no longer share one pair of opposite "
    "orthants, yet plain gradient descent and momentum have the same losses. What makes them slow is the mean of the "
    "inputs: with {units} sigmoid inputs single samples pay a factor of {one:.1f} for it, all samples at once "
    "{all:.0f}. For Adam it also counts where the mean points.",
    deciding="rotated: pairs in the same orthants {pairs[0]:.0f} → {pairs[1]:.1f} %, losses the same to {change:.0e}; "
    "five layers: sigmoid needs {slower:.1f} times the steps of tanh",
    theorem="SGD and momentum know the inputs of a linear layer only through $a_m · a_n$ and the first outputs, so $a "
    "-> Q a$, $W -> W Q^T$ leaves every loss as it is, for each orthogonal $Q$; a flip, with ±1 on its diagonal, to "
    "the last bit, and for RMSprop and Adam too. For $J$ units of mean/spread $r$ the condition number of $E[a a^T]$ "
    "is $1 + J r^2$, and no step size for each weight makes it smaller; with the mean along one axis the right ones "
    "make it 1. One sample at a time the price is $1 + r^2/2$. There is no zig-zag up to $lr = 1/lambda_1$, and one "
    "at every step at the fastest rate.",
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
        "zigzag": Picture(
            "The same run three times: a neuron with two sigmoid inputs (above) looks for its two weights (the cross) "
            "by gradient descent at the best rate. As it is: the textbook zig-zag. One input and its weight flipped: "
            "no step is single-signed. Both rotated: the inputs lie in no common quadrant. The losses are the same. "
            "What counts is how far the mean of the inputs is from 0.",
            alt="Three columns. Above, the inputs: a cloud in the upper right quadrant, one in the lower right, and "
            "one that lies across the axis to the right. Below, the ways of the two weights from a dot to a cross: "
            "zig-zags of {steps[0]}, {steps[1]} and {steps[2]} steps, of which {single[0]}, {single[1]} and "
            "{single[2]} move both weights up or both down.",
        ),
        "three_runs": Picture(
            "Sigmoid nets learn a sample at a time: as they are, flipped, and with the mean of every layer's inputs "
            "rotated onto one axis. SGD and momentum do not notice: three lines are one. Adam notices the rotation "
            "alone.",
            alt="Three panels of losses over {samples} samples. SGD and momentum: the three lines lie on each other, "
            "never more than {change:.0e} apart. Adam: two lines lie on each other, and the rotated one goes its own "
            "way, up to {adam:.2g} apart.",
        ),
        "zigzag_lr": Picture(
            "The same neuron with ten inputs, at rates from small to almost too large. Up to $1/lambda_1$ there is no "
            "zig-zag. Beyond, it grows and the run gets faster, up to about $2/(lambda_1+lambda_J)$. Only then does "
            "more zig-zag mean slower.",
            alt="Two curves over the learning rate, in units of 1/λ₁. Above, the length of the way over the straight "
            "line: {detour[0]:.3g} at a rate of 1, {detour[1]:.3g} at the best one and {detour[2]:.3g} at {last}. "
            "Below, the steps: {rate_steps[0]:.0f}, {rate_steps[1]:.0f} and {rate_steps[2]:.0f}.",
        ),
        "decomposition": Picture(
            "Nets of five layers, each at its best learning rate; full bars have single-signed rows. Sigmoid with its "
            "usual start needs {slower:.1f} times the steps of tanh; started as the tanh net {twin:.1f} times, and "
            "tanh + 1, all of whose outputs are positive, {plus:.1f} times. All three obey the same sign rule. Ticks "
            "are single seeds.",
            alt="Seven bars, the steps to a loss of {target}: {bars}.",
        ),
        "offsets": Picture(
            "Nets of five tanh layers whose outputs are shifted by $c$ (full line), all starting as the same function. "
            "With a random sign for each unit (dashed) rows are mixed, and the cost is about the same: it is the size "
            "of the mean that counts.",
            alt="Two panels over the size c of the shift, from 0 to {largest:g}. Above, single-signed rows: tanh + c "
            "goes from {rows[0]:.0f} to {rows[1]:.0f} %, tanh ± c ends at {rows[2]:.0f} %. Below, steps: both begin "
            "at {shifted[0]:.0f}; tanh + c ends at {shifted[1]:.0f}, tanh ± c at {shifted[2]:.0f}.",
        ),
    },
    caveat="On single samples the lecture is right up to a constant: alike inputs cost $1 + r^2/2 = 3.9$ times the "
    "samples. But that constant is the mean's as well, for it survives the rotation. Flips are exact for all "
    "optimisers here; rotations to rounding, and only for SGD and momentum. Steps are of small nets on few data; "
    "their order is what carries over.",
)
