"""A finding: one claim, what was measured about it, and the verdict that follows from the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

# What stands between two $ is a formula: report/mathml.py sets it on the page, `plain` takes the $ away elsewhere.
CLAIMS = {
    "Q1": "The gradient of a weight is an error times an activation, $delta_k a_j$: an outer product that can be seen.",
    "Q2": "If all inputs $a_j$ are positive, the weights into neuron $k$ all get the sign of $delta_k$.",
    "Q3": "A layer still mixes signs, because its neurons have different $delta_k$.",
    "Q4": "Some sign patterns of the update cannot be reached, and that costs when one of them is needed.",
    "Q5": "Sigmoid's updates have a reduced entropy: fewer bits of sign freedom.",
    "Q6": "A mini-batch sums over samples and so restores the freedom.",
    "Q7": "The sign constraint makes gradient descent zig-zag, and so makes it slow.",
    "Q8": "Sigmoid saturates at both tails, and the gradient there is tiny.",
    "Q9": "Sigmoid's derivative is at most 0.25, so the error vanishes with depth.",
    "Q10": "Backprop multiplies by the activation's derivative at every layer.",
    "Q11": "A logistic output with binary cross-entropy is not a problem.",
    "Q12": "What helps: tanh, centring, initialisation, normalisation, residuals, momentum, Adam.",
}
TOPICS = {  # what each claim is about, for a list of contents
    "Q1": "the outer product",
    "Q2": "one sign a neuron",
    "Q3": "mixed signs in a layer",
    "Q4": "patterns out of reach",
    "Q5": "bits of freedom",
    "Q6": "what a batch mixes",
    "Q7": "zig-zag",
    "Q8": "saturation",
    "Q9": "vanishing with depth",
    "Q10": "a factor a layer",
    "Q11": "output and loss",
    "Q12": "what helps",
}
KINDS = ("true", "partly", "not the cause")


@dataclass(frozen=True)
class Number:
    """One measured number, with its unit, its spread over the runs, and what is expected of it.

    name         in words a reader understands without the code: "single-signed rows per sample, sigmoid"
    value        the number itself; of several runs the median
    unit         "%", "steps", "decades per layer", ...; "" for a pure number
    low, high    the smallest and largest over the runs; None where there was one run
    runs         how many runs (seeds, samples, rows: say which in the name) stand behind it
    theory       what the theorem predicts, where it predicts a number
    expect       (least, most), None for no bound: the verdict rests on value lying in it, ends included
    descriptive  True where it only describes: no verdict rests on it, and nothing is expected of it. A number of a
                 study has one of the two, expect or this, so that none is left unchecked by oversight
    """

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    runs: int = 1
    theory: float | None = None
    expect: tuple[float | None, float | None] | None = None
    descriptive: bool = False

    def __post_init__(self) -> None:
        if self.descriptive and self.expect is not None:
            raise ValueError(f"{self.name}: it has an `expect` interval, so it is not descriptive")

    @classmethod
    def of(cls, name: str, values: Iterable[float], unit: str = "", **rest: Any) -> Number:
        """The median of several runs, with their spread."""
        values = [float(v) for v in values]
        return cls(name, float(np.median(values)), unit, min(values), max(values), len(values), **rest)

    @property
    def as_expected(self) -> bool:
        """Does the value lie in the expected interval? True where nothing is expected, False for NaN."""
        if self.expect is None:
            return True
        if math.isnan(self.value):
            return False
        least, most = self.expect
        return bool((least is None or self.value >= least) and (most is None or self.value <= most))

    def __str__(self) -> str:
        """As people write it: 27.5 % (26.1 to 29, 5 runs)."""
        text = f"{figure(self.value)} {self.unit}".strip()
        if self.runs > 1 and self.low is not None and self.high is not None:
            text += f" ({figure(self.low)} to {figure(self.high)}, {self.runs} runs)"
        return text


class Picture(NamedTuple):
    """What is said of a picture.

    caption  how to read it, and what is to be seen
    alt      the same for those who do not see it: what is drawn where, with the numbers that were measured
    """

    caption: str
    alt: str


def plain(text: str) -> str:
    """The text as a terminal shows it: without the $ around its formulas."""
    return text.replace("$", "")


def figure(value: float) -> str:
    """A number for people: thousands with commas, otherwise three significant digits."""
    if math.isfinite(value) and (value == int(value) or abs(value) >= 999.5) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.3g}"


@dataclass(eq=False)
class Finding:
    """A claim and its judgement. The verdict is meant to follow from the numbers alone.

    id        "Q1" to "Q12"; the claim's words are CLAIMS[id]
    kind      "true", "partly" (true only when ...), "not the cause"
    verdict   one sentence
    deciding  the deciding number for the table, in a few words: "100 % of rows, sigmoid; 0 %, tanh"
    numbers   all of them, the deciding ones with an `expect` interval
    theorem   what is proved, in words and symbols: "Rank one: sgn G = sgn delta sgn a^T"; no label without its words
    test      the tests that stand behind it: "tests/theory/test_a1_rank_one.py"
    code      about ten lines of Python, runnable as they stand, that print the deciding number
    pictures  {file name: what is said of it}
    caveat    where it stops being true, or what was not measured
    seeds     the seeds used
    data      what the pictures are drawn from; not written to findings.json
    """

    id: str
    kind: str
    verdict: str
    deciding: str
    numbers: list[Number]
    theorem: str
    test: str
    code: str
    pictures: dict[str, Picture]
    caveat: str
    seeds: list[int]
    data: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.id not in CLAIMS:
            raise ValueError(f"unknown claim {self.id!r}, expected one of: {', '.join(CLAIMS)}")
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}, expected one of: {', '.join(KINDS)}")
        if not any(number.expect for number in self.numbers):
            raise ValueError(f"{self.id}: no number has an `expect` interval, so nothing decides the verdict")

    @property
    def claim(self) -> str:
        return CLAIMS[self.id]

    @property
    def topic(self) -> str:
        return TOPICS[self.id]

    @property
    def confirmed(self) -> bool:
        """Do the numbers of this run bear the verdict out?"""
        return all(number.as_expected for number in self.numbers)

    def entry(self) -> dict[str, Any]:
        """The finding as JSON-ready values: an entry of findings.json. Its texts are plain."""
        entry: dict[str, Any] = {name: plain(getattr(self, name)) for name in ("id", "claim", "kind", "verdict")}
        entry |= {"confirmed": self.confirmed, "deciding": plain(self.deciding)}
        entry["numbers"] = [
            {key: _json_value(value) for key, value in vars(number).items()}
            | {"name": plain(number.name), "as_expected": number.as_expected}
            for number in self.numbers
        ]
        entry |= {"theorem": plain(self.theorem), "test": self.test, "code": self.code}
        entry["pictures"] = {
            name: {key: plain(text) for key, text in picture._asdict().items()}
            for name, picture in self.pictures.items()
        }
        return entry | {"caveat": plain(self.caveat), "seeds": self.seeds}


@dataclass(frozen=True)
class Words:
    """What is said of a claim, apart from what was measured; the fields are those of Finding.

    In all but test and code, {name} stands for a value that the study fills in, with a format where one is needed:
    "learns {faster:.0f} times faster". A brace of the text itself is doubled.
    """

    id: str
    kind: str
    verdict: str
    deciding: str
    theorem: str
    test: str
    code: str
    pictures: dict[str, Picture]
    caveat: str

    def finding(self, numbers: list[Number], seeds: list[int], data: dict[str, Any], **values: Any) -> Finding:
        """The finding in these words, with the values filled in; KeyError where one is missing."""

        def filled(text):
            if isinstance(text, dict):
                return {name: Picture(*map(filled, picture)) for name, picture in text.items()}
            return text.format(**values)

        said = {name: text if name in ("test", "code") else filled(text) for name, text in vars(self).items()}
        return Finding(numbers=numbers, seeds=seeds, data=data, **said)


def _json_value(value):
    """NumPy's numbers as Python's; what JSON has no number for (nan, inf) as a string."""
    if isinstance(value, tuple):
        return [_json_value(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value
