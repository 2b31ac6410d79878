"""Q5: fewer bits of sign freedom."""

from ..finding import Picture, Words

WORDS = Words(
    id="Q5",
    kind="partly",
    verdict="Bits are lost, but few of them to sigmoid: one sample has rank one, which costs a {K} × {J} layer "
    "{rank_one:.0f} of its {all:.0f} bits behind every activation; positive inputs cost {signs:.0f} more.",
    deciding="{all:.0f} → {one:.0f} → {positive:.0f} bits; 4 × 4 layer, measured: sigmoid {sigmoid[0]:.1f}, tanh "
    "{tanh[0]:.1f}; batches of 8: {sigmoid[1]:.1f}, {tanh[1]:.1f}",
    theorem="Of the $2^(KJ)$ sign patterns of a layer one sample has $2^(K+J-1)$, and $2^K$ if $a > 0$. delta is not "
    "free either: with weights and sample given, $n$ neurons below $K$ outputs have at most $2 sum_(i<K) "
    "binomial(n-1, i)$ patterns, and one-hot targets give just $K$ gradients.",
    test="tests/theory/test_a1_rank_one.py tests/theory/test_a2_delta.py tests/theory/test_a4_batch.py",
    code="""\
import minigrad as mg
from minigrad.diagnostics import reachable_patterns, sign_entropy_bits

for positive in (False, True):
    layer = reachable_patterns(16, 32, positive)
    print(layer.all_bits, "bits; one sample:", layer.bits, "with a > 0" if positive else "")
x, y, _, _ = mg.datasets.load("digits")
for activation in ("sigmoid", "tanh"):
    net = mg.mlp([64, 16, 4, 4, 10], activation=activation, rng=0)
    g = mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients["4"]
    print(activation, "4 x 4 layer, measured:", sign_entropy_bits(g), "bits")
""",
    pictures={
        "bits": Picture(
            "Bits in the signs of a {K} × {J} layer if everything were free, and what is left of them. The large loss "
            "comes from rank one, and every activation has it. Once weights and sample are given, only the label is "
            "free.",
            alt="Four bars: {bits[0]:.3g} bits if all signs are free, {bits[1]:.3g} for one sample, {bits[2]:.3g} if "
            "its inputs are positive, {bits[3]:.3g} if only its label is free.",
        ),
        "bits_batch": Picture(
            "Entropy of the signs that random batches give a 4 × 4 layer of trained nets. Sigmoid has fewer bits than "
            "tanh with one sample. Small batches have more, in both nets.",
            alt="Two lines over the size of the batch. Sigmoid has {sigmoid[0]:.1f} bits with 1 sample, "
            "{sigmoid[1]:.1f} with 8 and {sigmoid[2]:.1f} with 64; tanh has {tanh[0]:.1f}, {tanh[1]:.1f} and "
            "{tanh[2]:.1f}. Bars mark the most that one sample can have, 4 and 7 bits.",
        ),
    },
    caveat="An entropy measured from 4000 batches cannot exceed 12 bits, hence the small layer. Bits of sign are not "
    "speed: the nets with flipped signs (Q7) have all their bits and not one step less.",
)
