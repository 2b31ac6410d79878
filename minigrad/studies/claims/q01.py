"""Q1: the gradient is an outer product."""

from ..finding import Words
from .first_lines import SIGNS_NET

WORDS = Words(
    id="Q1",
    kind="true",
    verdict="The gradient of one sample is exactly the outer product of delta and a; a batch averages them.",
    deciding="{equal:.0f} % of the entries equal delta_k a_j",
    theorem="z = W a + b, so dc/dw_kj = (dc/dz_k)(dz_k/dw_kj) = delta_k a_j: rank one, and |G| = "
    "|delta| |a|. Its signs are sgn delta_k sgn a_j.",
    test="tests/theory/test_a1_rank_one.py",
    code=SIGNS_NET
    + """\
bp = mg.backprop(net, mg.CrossEntropyLoss(), x[:1] / 16, y[:1])  # one sample
g = bp.gradients["2"]                                            # the layer between the hidden ones
print("same:", (g.weight == np.outer(g.delta[0], g.a[0])).all())
""",
    pictures={
        "outer_product": "One sample, one layer of a trained sigmoid net. On the left the error delta "
        "of each of its neurons, on top the activation a of each of its inputs. The square is the "
        "gradient: nothing but their multiplication table. Orange is plus, blue is minus. Every a is "
        "positive, so each row has one colour. (The strength of a colour goes with the square root of "
        "the size.)",
        "outer_product_batch": "The same layer for a batch of 8 samples: delta has a column and a a "
        "row for each of them, and the gradient is the mean of 8 multiplication tables. Rows of two "
        "colours appear.",
    },
    caveat="Exactly so for one sample; a batch has the mean. A layer that uses its weights in several "
    "places (convolution, recurrence) has the sum over these places.",
)
