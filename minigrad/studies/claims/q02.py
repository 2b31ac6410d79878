"""Q2: behind positive inputs, all weights into a neuron get the sign of its error."""

from ..finding import Words
from .first_lines import SIGNS_NET

WORDS = Words(
    id="Q2",
    kind="true",
    verdict="For one sample, behind a sigmoid, always: all weights into a neuron get the sign of its "
    "delta. Behind tanh hardly ever.",
    deciding="{sigmoid:.0f} % of the rows single-signed behind sigmoid, {tanh:.1f} % behind tanh",
    theorem="sgn G = sgn delta sgn a^T: with a > 0 row k has the sign of delta_k in every entry.",
    test="tests/theory/test_a1_rank_one.py",
    code=SIGNS_NET
    + """\
for n in range(3):  # one sample at a time: how many signs has each row of the gradient?
    g = mg.backprop(net, mg.CrossEntropyLoss(), x[n : n + 1] / 16, y[n : n + 1]).gradients["2"]
    print("delta", np.sign(g.delta[0]).astype(int))
    print("rows ", [sorted(set(np.sign(row).astype(int))) for row in g.weight])
""",
    pictures={
        "same_sign": "The same layer of two trained nets, one sample each: sigmoid on the left, tanh "
        "on the right. Behind sigmoid each row has one colour. Behind tanh the columns have signs as "
        "well, and rows are mixed."
    },
    caveat="It is a rule for each neuron, not for the layer (Q3), and for one sample, not for a batch "
    "(Q6). The first layer obeys it in every net, tanh included, if the data are non-negative, as "
    "pixels are. At saturation a product can round to zero: the weights never move in opposite "
    "directions, but some may not move.",
)
