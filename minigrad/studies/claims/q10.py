"""Q10: backprop multiplies by the derivative at every layer."""

from ..finding import Picture, Words
from .first_lines import HUNDRED_DIGITS

WORDS = Words(
    id="Q10",
    kind="true",
    verdict="At every layer delta is multiplied by the derivative, entry by entry and exactly; and by the weights, "
    "which can make up for it.",
    deciding="$delta_z = f'(z) delta_a$ to {error:.0e}; per layer $f'$ makes {slope} decades of a sigmoid net, $W$ "
    "{weight:.2f}",
    theorem="By the chain rule $delta_a = W^T delta_z$, with the $W$ and $delta_z$ of the layer above, and $delta_z = "
    "f'(z) delta_a$: one factor from the weights and one from the slope, at every layer.",
    test="tests/theory/test_d3_depth.py",
    code=HUNDRED_DIGITS
    + """\
net = mg.mlp([64] + [100] * 5 + [10], rng=0)
bp = mg.backprop(net, mg.CrossEntropyLoss(), x, y)
for i in range(1, len(net), 2):                           # layers 1, 3, ... are the sigmoids
    z, above, below = bp.activations[i], bp.deltas[i + 1], bp.deltas[i]
    same = np.allclose(below, net[i].slope(z) * above, rtol=1e-12, atol=0)
    print(f"layer {i}: delta below = f'(z) * delta above: {same};",
          f"|delta| {np.linalg.norm(above):.2e} -> {np.linalg.norm(below):.2e}")
""",
    pictures={
        "two_factors": Picture(
            "What one layer does to the size of delta, in decades: the slope $f'$, the weights $W$, and (thin) the two "
            "together. Dotted: a factor of 1/4, sigmoid's largest slope. The slope only takes away. At the critical "
            "gain the weights give back as much as it took.",
            alt="Seven rows of bars, each with the decades that slope and weights make. {parts}. A dotted line at −0.6 "
            "is a factor of 1/4.",
        ),
    },
    caveat="Exactly means up to rounding: training takes $sigma'$ as $a(1 - a)$, which near $a = 1$ has fewer correct "
    "digits than $sigma(z) sigma(-z)$. A residual layer adds delta itself to the product.",
)
