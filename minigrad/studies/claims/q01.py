"""Q1: the gradient is an outer product."""

from ..finding import Picture, Words
from .first_lines import SIGNS_NET

WORDS = Words(
    id="Q1",
    kind="true",
    verdict="The gradient of one sample is exactly the outer product of delta and $a$; a batch averages them.",
    deciding="{equal:.0f} % of the entries equal $delta_k a_j$",
    theorem="$z = W a + b$, so $dc/dw_kj = (dc/dz_k)(dz_k/dw_kj) = delta_k a_j$: rank one, with $|G| = |delta| |a|$ "
    "and the signs $sgn delta_k sgn a_j$.",
    test="tests/theory/test_a1_rank_one.py",
    code=SIGNS_NET
    + """\
bp = mg.backprop(net, mg.CrossEntropyLoss(), x[:1] / 16, y[:1])  # one sample
g = bp.gradients["2"]                                            # the layer between the hidden ones
print("same:", (g.weight == np.outer(g.delta[0], g.a[0])).all())
""",
    pictures={
        "outer_product": Picture(
            "One sample, one layer of a trained sigmoid net: its errors delta on the left, its activations $a$ on top. "
            "The gradient is their multiplication table. Every $a$ is positive, so each row has one colour. (The "
            "strength of a colour goes with the square root of the size.)",
            alt="A grid of {K} rows and {J} columns of coloured squares, with a column of {K} errors on its left and a "
            "row of {J} activations on top. In {rows:.0f} % of its rows all squares have one colour: {plus} rows are "
            "orange, for plus, {minus} are blue, for minus. The outlined squares multiply {delta} by {activation} to "
            "{product}.",
        ),
        "outer_product_batch": Picture(
            "The same layer for a batch of 8 samples: delta has a column and $a$ a row for each, and the gradient is "
            "the mean of eight multiplication tables. Rows of two colours appear.",
            alt="A grid of {K} rows and {J} columns, with 8 columns of errors on its left and 8 rows of activations on "
            "top. {mixed} of its {K} rows have squares of both colours.",
        ),
    },
    caveat="Weights that are used in several places (convolution, recurrence) have the sum over these places.",
)
