"""Q11: a logistic output with its own loss."""

from ..finding import Picture, Words

WORDS = Words(
    id="Q11",
    kind="partly",
    verdict="True for the output layer: there cross-entropy cancels the slope, and a confident mistake sends back a "
    "full error. The hidden layers below vanish exactly as before.",
    deciding="delta at a confident mistake ($z = 8$): {entropy:.3f} with cross-entropy, {squared:.1g} with squared "
    "error; a hidden layer leaves {left:.2f} of delta with either",
    theorem="Sigmoid with cross-entropy: $dc/dz = a - y$. Sigmoid with squared error: $2(a - y) a(1 - a)$, for $y$ "
    "from 0 to 1 never more than 8/27, and next to 0 where $a$ is sure and wrong. Softmax with cross-entropy is $a - "
    "y$ as well. In the layers below, delta is multiplied by $W$ and $sigma'$ as ever.",
    test="tests/theory/test_d4_pairing.py",
    code="""\
import minigrad as mg
import numpy as np

x, y = np.ones((1, 1)), np.zeros((1, 1))               # one input, one output, target 0
for z in (0.0, 2.0, 4.0, 8.0):
    linear = mg.Linear(1, 1)
    linear.weight[:], linear.bias[:] = 0, z
    squared = mg.backprop(mg.Sequential(linear, mg.Sigmoid()), mg.MSELoss(), x, y).gradients["0"].delta
    entropy = mg.backprop(mg.Sequential(linear), mg.BCEWithLogitsLoss(), x, y).gradients["0"].delta
    print(f"z = {z}: delta {squared.item():.4f} with squared error, {entropy.item():.4f} with cross-entropy")
""",
    pictures={
        "confident_mistakes": Picture(
            "An output whose target is 0: the further $z$ is to the right, the surer and the more wrong it is. With "
            "cross-entropy the error sent back grows to 1 and stays there. With the squared error it dies away "
            "exactly where it is needed most.",
            alt="Two curves of delta over z. Cross-entropy climbs to {entropy:.3f} at z = 8. The squared error climbs "
            "to {largest:.3f} near z = {peak:.1f} and is down at {squared:.1g} at z = 8.",
        ),
        "steps_to_learn": Picture(
            "Steps that one neuron needs to unlearn a mistake, against how sure it was at the start. With the squared "
            "error each further unit of $z$ multiplies them by up to $e$; with cross-entropy it adds few.",
            alt="Two lines on a logarithmic scale. From z = 0 to z = 8 the steps grow from {slow[0]:,} to {slow[1]:,} "
            "with the squared error, and from {fast[0]:,} to {fast[1]:,} with cross-entropy.",
        ),
        "hidden_layers": Picture(
            "$|delta|$ by layer in a net of {depth} hidden sigmoid layers that starts out sure and wrong. "
            "Cross-entropy starts higher, at the output; from there both lines fall alike. The loss mends the last "
            "layer only.",
            alt="Two nearly parallel lines that fall from the output to layer 1, on a logarithmic scale: cross-entropy "
            "from {high[0]:.1g} to {high[1]:.0e}, squared error from {low[0]:.0e} to {low[1]:.0e}.",
        ),
    },
    caveat="A sigmoid layer followed by a loss that divides by $a(1 - a)$ gives the same delta only as long as $a$ is "
    "not rounded to 0 or 1. With the usual start the loss matters less, {usual[0]:.0f} epochs against {usual[1]:.0f}: "
    "few outputs begin sure and wrong. The learning rate was tuned for each.",
)
