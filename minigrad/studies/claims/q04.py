"""Q4: some sign patterns of the update cannot be reached."""

from ..finding import Picture, Words

WORDS = Words(
    id="Q4",
    kind="true",
    verdict="True of one sample: of the 16 patterns sigmoid reaches 4 and tanh 8, and the one in question is not among "
    "the 4. The price is bounded: two samples reach all 16, and a way by single-signed steps is at most 1.41 times "
    "the straight one.",
    deciding="{patterns:.0f} of 16 patterns; cosine {sigmoid:.2f} to the question's update (tanh {tanh:.2f}); detour "
    "at most {detour:.2f} on a trained net",
    theorem="One sample gives $delta a^T$: of the $2^(KJ)$ sign patterns of a $K × J$ layer $2^K$ if $a > 0$, "
    "$2^(K+J-1)$ if $a$ has any sign. Some single-signed direction lies within 45 degrees of every $d$, and $d = "
    "d_(+) - d_(-)$ takes two single-signed legs, together at most $√2 |d|$ long.",
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
        "four_weights": Picture(
            "All 16 sign patterns of the question's four weights; the rows of a tile are the two neurons. One sample "
            "behind sigmoid reaches the first four. The framed one is the question's: behind tanh, one sample can "
            "give it. Eight are beyond any single sample of any net.",
            alt="16 tiles of two by two signs in three groups. {groups[0]} that one sample can give behind sigmoid or "
            "tanh: each of their rows has one sign. {groups[1]} that it can give behind tanh but never behind "
            "sigmoid; framed among them the question's, plus and minus above plus and minus. {groups[2]} that take a "
            "batch of two.",
        ),
        "nearest_update": Picture(
            "A net after two epochs: how well can one batch point to where the layer of {K} × {J} weights will end up? "
            "Behind sigmoid's positive inputs about as well as behind tanh's. What limits a batch is the number of "
            "its samples.",
            alt="Two lines that rise with the size of the batch: the cosine of the needed update and the nearest one. "
            "Sigmoid and tanh have {one[0]:.2f} and {one[1]:.2f} with 1 sample, {eight[0]:.2f} and {eight[1]:.2f} "
            "with 8, {wide[0]:.2f} and {wide[1]:.2f} with 32.",
        ),
    },
    caveat="The errors were free to be anything here; a real sample has one of them, so real steps do worse in both "
    "nets. And 1.41 is the price of the signs alone: steps along inputs that nearly agree pay more (theorem B3).",
)
