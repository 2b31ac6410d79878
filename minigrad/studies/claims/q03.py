"""Q3: a layer still mixes signs, because its neurons have different errors."""

from ..finding import Picture, Words
from .first_lines import SIGNS_NET

WORDS = Words(
    id="Q3",
    kind="true",
    verdict="In layers of usual width the signs of delta are mixed in nearly every sample. Only layers of a few "
    "neurons, or nets with one output, can agree.",
    deciding="all $delta_k$ of one sign in {agree:.2g} % of samples (layers of {widths[0]} and {widths[1]})",
    theorem="If the signs of $K$ errors were fair coins, all would agree with probability $2^(1-K)$. They are not "
    "free: softmax with cross-entropy of two classes or more has one negative delta at the output, and a single "
    "output sends the same signs down, up to a common one, for every sample.",
    test="tests/theory/test_a2_delta.py",
    code=SIGNS_NET
    + """\
for path, g in mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients.items():
    agree = (g.delta > 0).all(axis=1) | (g.delta < 0).all(axis=1)
    print("layer", path, "all delta of one sign in", 100 * agree.mean(), "% of the samples;",
          "positive:", 100 * (g.delta > 0).mean(), "%")
""",
    pictures={
        "mixed_layer": Picture(
            "How mixed the signs of delta are while nets learn: the share of the rarer sign in each layer, mean over "
            "the samples. The output layer has exactly one negative delta, that of the right class.",
            alt="Two panels, a sigmoid net and a tanh net, over {epochs} epochs. The layers of {widths[0]} and "
            "{widths[1]} stay between {low:.0f} and {high:.0f} %, the output layer is at {output:.0f} %. A dotted "
            "line at 50 % is evenly mixed.",
        ),
        "all_agree": Picture(
            "How often all $delta_k$ of a layer share one sign, against its width. Dots are seeds; dashed is what fair "
            "coins would do.",
            alt="Dots fall as the layer gets wider. Their median is {shares[0]:.0f} % of the samples with 1 neuron, "
            "{shares[1]:.0f} % with 2, {shares[2]:.0f} % with 4 and {shares[3]:.2g} % with 16; fair coins, the dashed "
            "curve, give 100, 50, 12.5 and 0.003 %.",
        ),
    },
    caveat="With a single output neuron, delta of the layer below is that one error times the outgoing weights: its "
    "signs agree in all samples or in none.",
)
