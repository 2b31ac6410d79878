"""Q2: behind positive inputs, all weights into a neuron get the sign of its error."""

from ..finding import Picture, Words
from .first_lines import SIGNS_NET

WORDS = Words(
    id="Q2",
    kind="true",
    verdict="For one sample behind a sigmoid, always: all weights into a neuron get the sign of its delta. Behind tanh "
    "hardly ever.",
    deciding="{sigmoid:.0f} % of the rows single-signed behind sigmoid, {tanh:.1f} % behind tanh",
    theorem="$sgn G = sgn delta sgn a^T$: with $a > 0$, row $k$ has the sign of $delta_k$ in every entry.",
    test="tests/theory/test_a1_rank_one.py",
    code=SIGNS_NET
    + """\
for n in range(3):  # one sample at a time: how many signs has each row of the gradient?
    g = mg.backprop(net, mg.CrossEntropyLoss(), x[n : n + 1] / 16, y[n : n + 1]).gradients["2"]
    print("delta", np.sign(g.delta[0]).astype(int))
    print("rows ", [sorted(set(np.sign(row).astype(int))) for row in g.weight])
""",
    pictures={
        "same_sign": Picture(
            "The same layer of two trained nets, one sample each. Behind sigmoid each row has one colour. Behind tanh "
            "the columns have signs as well, and rows are mixed.",
            alt="Two grids of squares, each with its errors on the left and its activations on top. In the sigmoid net "
            "{shown[0]:.0f} % of the rows have one colour, and the grid is striped. In the tanh net {shown[1]:.0f} % "
            "have, and orange and blue alternate along the rows.",
        ),
    },
    caveat="A rule for a neuron, not for a layer (Q3), and for one sample, not for a batch (Q6). The first layer obeys "
    "it in every net if the data are non-negative, as pixels are. At saturation a product can round to zero: weights "
    "never move in opposite directions, but some may not move.",
)
