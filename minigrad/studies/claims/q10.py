"""Q10: backprop multiplies by the derivative at every layer."""

from ..finding import Words
from .first_lines import HUNDRED_DIGITS

WORDS = Words(
    id="Q10",
    kind="true",
    verdict="At every layer δ is multiplied by the derivative, entry by entry and exactly; and by the weights, "
    "which can make up for it.",
    deciding="δ_z = f'(z) δ_a to {error:.0e}; per layer f' makes {slope} decades of a sigmoid net, W {weight:.2f}",
    theorem="a = f(z) and z' = W a' + b, so by the chain rule δ_a = Wᵀ δ_z of the layer above, and "
    "δ_z = f'(z) δ_a: one factor from the weights, one from the slope, at every layer.",
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
        "two_factors": "What one layer does to the size of δ, in decades (powers of ten): left the factor of the "
        "slope f', right that of the weights, in black the two together. The slope only takes away. At gain 1 the "
        "weights give nothing back, at the critical gain exactly as much as the slope has taken.",
    },
    caveat="Exactly means up to rounding: training takes σ' as a(1 − a), which near a = 1 has fewer correct digits "
    "than σ(z) σ(−z), and is 0 from z = 36.74 on. A residual layer adds δ itself to the product.",
)
