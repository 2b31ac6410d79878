"""Q4: some sign patterns of the update cannot be reached."""

from ..finding import Words

WORDS = Words(
    id="Q4",
    kind="true",
    verdict="True of one sample: of the 16 patterns sigmoid reaches 4 and tanh 8, and the one in question is not "
    "among the 4. The price is bounded: two samples reach all 16, and a way by single-signed steps is at most "
    "1.41 times the straight one.",
    deciding="{patterns:.0f} of 16 patterns; cosine {sigmoid:.2f} to the question's update "
    "(tanh {tanh:.2f}); detour at most {detour:.2f} on a trained net",
    theorem="One sample gives delta aᵀ, so sgn G = sgn delta sgn aᵀ: 2^K patterns of a K x J layer if a > 0, "
    "2^(K+J−1) if a has any sign, of 2^(KJ). Some single-signed direction lies within 45 degrees of every d, and "
    "d = d₊ − d₋ takes two single-signed legs of total length at most √2 |d|.",
    test="tests/theory/test_a1_rank_one.py tests/theory/test_b1_sqrt2.py tests/theory/test_b4_oracles.py",
    code="""\
import numpy as np
from minigrad.diagnostics import nearest_reachable, reachable_patterns

question = np.array([[1, -1], [1, -1]])  # w1, w3 up; w2, w4 down
for name, positive in (("sigmoid", True), ("tanh", False)):
    possible = reachable_patterns(2, 2, positive)
    print(name, possible.count, "of", possible.all, "patterns; the question's among them:", question in possible)
a = np.array([[0.6, 0.5], [0.4, 0.7]])   # outputs of two sigmoids, for two samples
print("cosine, one sample:", nearest_reachable(question, a[:1]).cosine)
print("cosine, two samples:", nearest_reachable(question, a).cosine)
""",
    pictures={
        "four_weights": "All 16 sign patterns of the question's four weights: a tile is an update, its rows are "
        "the two neurons. Orange is up, blue is down. One sample behind sigmoid reaches the first four: each row "
        "has one colour. The framed one is the question's; behind tanh one sample can give it. Eight patterns "
        "are beyond any single sample of any net. A batch of two reaches all 16.",
        "nearest_update": "A net after two epochs: how well can one batch point to where the layer of "
        "{K} x {J} weights will end up? Batches of few samples cannot, but sigmoid's positive "
        "inputs do about as well as tanh's mixed ones. What limits a batch is the number of its samples.",
    },
    caveat="The errors delta were free to be anything here; a real sample has one of them, so real steps do worse "
    "in both nets. A path of many steps is not bound by what one step can do. And 1.41 is the price of the "
    "signs alone, in Euclidean length: steps along inputs that nearly agree pay more, behind sigmoids of N(0, 1) "
    "2.6 times the part of the way that leads across (theorem B3).",
)
