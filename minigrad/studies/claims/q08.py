"""Q8: saturation at both tails."""

from ..finding import Picture, Words

WORDS = Words(
    id="Q8",
    kind="true",
    verdict="At both tails the slope falls like $e^(-|z|)$, and delta with it. In floats the tails differ: the upper "
    "one is exactly 0 from $z = {upper:.1f}$, the lower one lives to $z = {lower:.0f}$.",
    deciding="a saturated unit lets {flat:.1g} % of delta through, another {others:.0f} %; saturated are {low:.0f} % "
    "low, {high:.0f} % high (unscaled inputs)",
    theorem="$sigma'(z) = sigma(z) sigma(-z)$, at most 1/4, and between $e^(-|z|)/4$ and $e^(-|z|)$ everywhere. In "
    "double precision $1/(1 + e^(-z))$ is 1 from $z = 53 ln 2 = 36.737$, so that $a(1 - a)$ is 0; $e^z$ has its last "
    "positive value at $z = -745.13$.",
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
        "z_histogram": Picture(
            "Where $z$ lies in the first hidden layer; in the grey zones the slope is below {threshold}. With inputs "
            "from 0 to 1 training widens $z$ slowly. With inputs as in the file both tails are full from the start: "
            "scale your inputs. What lies beyond ±40 is in the outermost bars.",
            alt="Histograms of z before and after training. With scaled inputs {scaled[0]:.1f} % of the entries are in "
            "the grey zones before and {scaled[1]:.1f} % after; with inputs as in the file {raw[0]:.0f} % before and "
            "{raw[1]:.0f} % after.",
        ),
        "slope_histogram": Picture(
            "The same entries by their slope, the factor by which each shortens delta. Scaled inputs keep most of them "
            "near the largest possible, 1/4. Unscaled, {raw[1]:.0f} % are below {threshold} after training.",
            alt="Histograms of the slope on a logarithmic scale. With scaled inputs all bars are at the right, and "
            "{near:.0f} % of the entries are in the last two, next to 1/4, after training. With inputs as in the file "
            "they reach down to 10⁻¹⁶, and {zero:.0f} % are in the bar at the left end, with those of exactly 0.",
        ),
        "saturated_shares": Picture(
            "Share of the first hidden layer with a slope below {threshold}, by epoch. The bands reach from the "
            "smallest to the largest of the seeds.",
            alt="Two panels over {epochs} epochs. With scaled inputs never more than {most:.1f} % in either tail. With "
            "inputs as in the file the lower tail goes from {began[0]:.0f} to {low:.0f} %, the upper one from "
            "{began[1]:.0f} to {high:.0f} %.",
        ),
        "float_limits": Picture(
            "The slope that training multiplies with. Mathematics has the same tail on both sides (dotted). The "
            "computer loses the upper one where $a$ is rounded to 1. The lower one goes on twenty times as far.",
            alt="A tent: the logarithm of the slope over z. Its left side falls to 10⁻³²³ at z = {lower:.0f}. Its "
            "right side breaks off at z = {upper:.1f}; a dotted line shows how mathematics goes on.",
        ),
    },
    caveat="That a unit is saturated on some samples is no harm by itself: a unit that is right may be sure. Harm is "
    "done where it is sure and wrong (Q11) or saturated on all samples. With scaled inputs and the usual start hardly "
    "any unit begins saturated. Another threshold shifts the shares.",
)
