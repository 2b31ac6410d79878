"""Studies: one module for each claim (or few claims) about sigmoid and its gradients, measured and drawn.

    from minigrad import study
    config = study.Config(seed=0)
    for finding in study.STUDIES["outer_product"].run(config):
        print(finding.id, finding.kind, finding.verdict)
        figure = study.plot(finding)

How to add a study, say of the claim Q8 in saturation.py:

1. Write minigrad/study/saturation.py with two functions. Use the public API (`import minigrad as mg`), never
   matplotlib at the top of the file.

       def run(config) -> Finding, or a list of Findings where the module judges several claims
       def plot(finding, picture=None) -> matplotlib Figure      @style.styled, figure from style.figure()

   run takes its seeds from config.seeds(default, full), its data from config.load(), and sends every loop
   over seeds, learning rates, ... through config.sweep(job, configs), where job is a function at the top
   level of the module and configs can be pickled. It prints nothing. What plot needs beyond the numbers
   goes into Finding(data={...}). All claims together have 60 s on two cores (config.full: 600 s).
2. Numbers carry the judgement: give those that the verdict rests on an `expect` interval (see Number), wide
   enough for any seed, narrow enough to mean something. A Finding whose numbers miss it is shown as "not
   confirmed in this run", never as true. A number that only describes says so with `descriptive=True`: one
   that has neither fails tests/study/test_studies.py.
3. pictures = {"saturation": "what you see, in two or three sentences"}: one entry per picture, its file
name as key;
   plot(finding, picture) draws that one. Plus and minus only in style.PLUS and style.MINUS; direct labels
   rather than legends; legible at 800 pixels.
4. Add its line to the list at the end of this file, in the order of the claims.
5. tests/study/ runs every registered study, its pictures, and the Python of Finding.code.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from .config import Config
from .finding import CLAIMS, Finding, Number

__all__ = ["CLAIMS", "STUDIES", "Config", "Finding", "Number", "Study", "plot"]


@dataclass(frozen=True)
class Study:
    """A module of this package and the claims that it judges; imported only when it is run."""

    module: str
    claims: tuple[str, ...]
    title: str  # for the progress bar

    def run(self, config: Config) -> list[Finding]:
        """The findings, in claim order."""
        found = self._module().run(config)
        return [found] if isinstance(found, Finding) else list(found)

    def plot(self, finding: Finding, picture: str | None = None) -> Any:
        """The matplotlib Figure of one of the finding's pictures (of the first if None)."""
        return self._module().plot(finding, picture or next(iter(finding.pictures)))

    def _module(self):
        return importlib.import_module(f"{__name__}.{self.module}")


_IN_CLAIM_ORDER = [
    Study("outer_product", ("Q1", "Q2", "Q3"), "delta, a and their outer product"),
    Study("patterns", ("Q4", "Q5"), "reachable sign patterns and their bits"),
    Study("batch", ("Q6",), "what a batch does to the signs"),
    Study("zigzag", ("Q7",), "zig-zag, flipped signs, rotated axes, and what costs in deep nets"),
    Study("saturation", ("Q8",), "saturation at both tails"),
    Study("depth", ("Q9", "Q10"), "vanishing with depth"),
    Study("pairing", ("Q11",), "sigmoid outputs and their loss"),
    Study("remedies", ("Q12",), "the price list of remedies"),
]
STUDIES = {study.module: study for study in _IN_CLAIM_ORDER}


def plot(finding: Finding, picture: str | None = None) -> Any:
    """The matplotlib Figure of a finding's picture (of its first if None)."""
    return next(study for study in STUDIES.values() if finding.id in study.claims).plot(finding, picture)
