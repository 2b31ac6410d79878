"""Q5: fewer bits of sign freedom."""

from ..finding import Words

WORDS = Words(
    id="Q5",
    kind="partly",
    verdict="Bits are lost, but few of them to sigmoid: one sample has rank one, which costs a {K} x {J} layer "
    "{rank_one:.0f} of its {all:.0f} bits behind every activation; positive inputs cost {signs:.0f} more.",
    deciding="{all:.0f} → {one:.0f} → {positive:.0f} bits; 4 x 4 layer, measured: sigmoid "
    "{sigmoid[0]:.1f}, tanh {tanh[0]:.1f}; batches of 8: {sigmoid[1]:.1f}, {tanh[1]:.1f}",
    theorem="A K x J layer has 2^(KJ) sign patterns, one sample 2^(K+J−1) of them, and 2^K if a > 0. Delta is not "
    "free either: with weights and sample given, at most C(n, K) = 2 Σ_{{i<K}} binomial(n−1, i) patterns for n "
    "neurons below K outputs, and with one-hot targets just K gradients.",
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
        "bits": "How many bits the signs of a {K} x {J} layer have, if everything were free, and what is left of them. "
        "The large loss comes from rank one, and every activation has it. Positive inputs take less away. Once "
        "weights and sample are given, only the label is free, and ten labels are 3.3 bits.",
        "bits_batch": "Measured on a small layer (4 x 4) of trained nets: the entropy of the sign patterns that "
        "random batches give. Sigmoid has fewer bits than tanh with one sample. Batches of a few samples have more "
        "than twice as many, in both nets.",
    },
    caveat="An entropy measured from 4000 batches cannot exceed 12 bits, so it is measured on a small layer. Bits "
    "of sign are not speed: the nets with flipped signs (Q7) have all their bits and not one step less.",
)
