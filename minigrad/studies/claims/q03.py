"""Q3: a layer still mixes signs, because its neurons have different errors."""

from ..finding import Words
from .first_lines import SIGNS_NET

WORDS = Words(
    id="Q3",
    kind="true",
    verdict="In layers of usual width the signs of delta are mixed in every sample; only layers of a "
    "few neurons, or nets with one output, can agree.",
    deciding="all delta_k of one sign in {agree:.2g} % of samples (layers of {widths[0]} and {widths[1]})",
    theorem="If the K signs of delta were fair coins, all would agree with probability 2^(1-K). They "
    "are not free: softmax with cross-entropy of two classes or more has one negative delta at the output, and one "
    "single output sends the same signs down, up to a common one, for every sample.",
    test="tests/theory/test_a2_delta.py",
    code=SIGNS_NET
    + """\
for path, g in mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients.items():
    agree = (g.delta > 0).all(axis=1) | (g.delta < 0).all(axis=1)
    print("layer", path, "all delta of one sign in", 100 * agree.mean(), "% of the samples;",
          "positive:", 100 * (g.delta > 0).mean(), "%")
""",
    pictures={
        "mixed_layer": "How mixed the signs of delta are in each layer while the nets learn: the share "
        "of the rarer sign, mean over the samples. One half would be perfectly even, 0 would be all of "
        "one sign. The output layer has exactly one negative delta of ten, that of the right class.",
        "all_agree": "How often all delta_k of a layer share one sign, against the width of that "
        "layer. With two neurons it is every other sample, as for coins (dashed); from a width of "
        "about ten it does not happen.",
    },
    caveat="One output neuron is the exception: there delta of the layer below is that one error times "
    "its outgoing weights, so its signs agree in all samples or in none.",
)
