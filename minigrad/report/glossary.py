"""The words that the page uses, each in a sentence or two, and links to them from wherever they are used first."""

from __future__ import annotations

import re

# Word -> (what it is, the pattern of what is linked to it in the texts). The formulas are in the notation of mathml.py.
GLOSSARY = {
    "activation": (
        "What a neuron sends on, $a = f(z)$, computed from the sum $z$ of its weighted inputs.",
        r"activations?",
    ),
    "centred": ("With its mean taken away, so that pluses and minuses balance.", r"centr(?:ed|ing)"),
    "condition number": (
        "The largest curvature of the loss over the smallest, $kappa$. Gradient descent needs about so many times the "
        "steps.",
        "condition number",
    ),
    "critical gain": ("The gain at which delta neither fades nor grows on its way down.", "critical gain"),
    "decade": ("A factor of ten: −3 decades is a thousandth.", "decades?"),
    "delta": (
        "The error signal of a neuron, $delta = dc/dz$: what the loss of a sample would gain if its $z$ grew a little.",
        "delta",
    ),
    "gain": ("The size of the first weights: they are drawn from $N(0, gain^2/inputs)$.", "gain"),
    "mean/spread": (
        "The ratio $r$ of an activation's mean to its standard deviation. It is large behind sigmoids.",
        "mean/spread",
    ),
    "orthant": ("All vectors with the same signs: in the plane, a quadrant.", "orthants?"),
    "pair": ("delta and $a$ of a layer, kept together. The gradient of its weights is made of nothing else.", ""),
    "rank one": ("Being an outer product, the multiplication table of two vectors.", "rank one"),
    "saturated": ("On a tail of the sigmoid, where its slope is almost 0.", r"saturat(?:ed|es|ion)"),
    "single-signed": (
        "Of a row of the gradient, which is all weights into one neuron: without two entries of opposite signs.",
        "single-signed",
    ),
    "tanh's start": (
        "First weights and biases with which a sigmoid net computes what a tanh net does.",
        r"tanh's start|started (?:as|like) (?:the )?tanh(?: net)?",
    ),
    "zig-zag": ("A way that turns back at every step, across a valley of the loss.", r"zig-zags?"),
}


def anchor(word: str) -> str:
    """The id of a word's entry."""
    return "word-" + re.sub(r"\W+", "-", word)


def linked(html: str, seen: set[str]) -> str:
    """The text, without tags so far, in which the first use of each word leads to its entry; `seen` had theirs."""

    def link(match: re.Match[str]) -> str:
        word = next(word for word, (_, pattern) in GLOSSARY.items() if re.fullmatch(pattern, match[0]))
        if word in seen:
            return match[0]
        seen.add(word)
        return f'<a class="word" href="#{anchor(word)}">{match[0]}</a>'

    patterns = "|".join(pattern for _, pattern in GLOSSARY.values() if pattern)
    return re.sub(rf"(?<![\w-])(?:{patterns})(?![\w-])", link, html)
