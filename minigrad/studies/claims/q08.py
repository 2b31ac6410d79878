"""Q8: saturation at both tails."""

from ..finding import Words

WORDS = Words(
    id="Q8",
    kind="true",
    verdict="At both tails the slope falls like e^−|z|, and δ with it. In floats the tails differ: the upper one "
    "is exactly 0 from z = {upper:.1f}, the lower one lives to z = {lower:.0f}.",
    deciding="a saturated unit lets {flat:.1g} % of δ through, another "
    "{others:.0f} %; saturated are {low:.0f} % low, {high:.0f} % high (unscaled inputs)",
    theorem="σ'(z) = σ(z) σ(−z), at most 1/4 at z = 0, and between e^−|z|/4 and e^−|z| everywhere. In double "
    "precision 1/(1 + e^−z) is 1 from z = 53 ln 2 = 36.737, so that a(1 − a) is 0; e^z has its last positive value "
    "at z = −745.13.",
    test="tests/theory/test_d1_saturation.py",
    code="""\
import minigrad as mg
import numpy as np

f = mg.Sigmoid()
for z in (0.0, 5.0, -5.0, 36.0, 37.5, -37.5, -745.0, -746.0):
    z = np.array([[z]])
    a, saved = f.forward(z)
    trained = f.backward(np.ones_like(z), saved)[0]  # delta = 1 comes down: what is left is the slope
    print(f"z = {z.item():7.1f}   a = {a.item():.3g}   slope in training {trained.item():.3g}",
          f"  accurate {f.slope(z).item():.3g}")
x, y, _, _ = mg.datasets.load("digits")
for path, layer in mg.diagnostics.saturation(mg.mlp([64, 32, 16, 10], rng=0), x).items():
    print(f"unscaled digits, layer {path}: {layer.low:.0%} saturated low, {layer.high:.0%} high")
""",
    pictures={
        "z_histogram": "Where z lies in the first hidden layer, before and after training. In the grey zones the "
        "slope is below {threshold}. With inputs from 0 to 1 (top) training widens z slowly. With the inputs as they "
        "are in the file, 0 to 16 for the digits (bottom), both tails are full from the start: scale your inputs. "
        "What lies beyond ±40 is counted in the outermost bars.",
        "slope_histogram": "The same entries by their slope, on a logarithmic scale: the factor by which each "
        "shortens δ. Scaled inputs keep most slopes near the largest possible, 1/4. Unscaled, most are below a "
        "thousandth after training, and slopes of 0 are in the bar at the left end.",
        "saturated_shares": "Share of the first hidden layer with a slope below {threshold}, by epoch: upper tail "
        "(a near 1) and lower tail (a near 0). The bands reach from the smallest to the largest of the seeds.",
        "float_limits": "The slope that training multiplies with, on a logarithmic scale. Mathematics has the "
        "same tail on both sides (dotted). The computer loses the upper one at z = 36.7: a is rounded to 1, and "
        "1 − a to 0. The lower one goes on twenty times as far.",
    },
    caveat="That a unit is saturated on some samples is no harm by itself: a unit that is right may be sure. Harm "
    "is done where it is sure and wrong (claim Q11 for the output) or saturated on all samples. With scaled inputs "
    "and the usual start hardly any unit begins saturated. 4.6 is where the slope is {threshold}; any other threshold "
    "shifts the shares.",
)
