"""Studies: the claims about sigmoid and its gradients, each measured, drawn and judged.

    from minigrad import studies
    config = studies.Config(seed=0)
    for finding in studies.STUDIES["outer_product"].run(config):
        print(finding.id, finding.kind, finding.verdict)
        figure = studies.plot(finding)

A study is one measurement, and its file is named by what is measured. One measurement often serves several claims: the
trained nets of outer_product judge Q1, Q2 and Q3, the deep nets of depth Q9 and Q10; a file for each claim would train
them again, or be a thread that runs through three files. What is *said* of a claim has a file for each, in claims/, so
that measuring reads as measuring and words as words.

    outer_product, patterns, batch, saturation, depth, pairing, remedies     a study each
    zigzag, with gauges and decomposition                                    one study, of Q7, in three files
    claims/q01 ... q12                      the words: verdict, theorem, captions and alternative texts of pictures, ...
    lab, style                     what the studies share: nets, runs, the rate search, the palette; how pictures look
    config, finding, study         what a study gets, what it gives, and how it is registered

How to add a study, say of the claim Q13 in warmth.py:

1. Write the claim's sentence into CLAIMS (finding.py), its topic into TOPICS, and its words into claims/q13.py. A
   formula stands between two $, in the notation of report/mathml.py. Each picture has a caption, which says how to read
   it, and an alternative text, which says what is drawn where, with the numbers that were measured.
2. Write warmth.py. Use the public API (`import minigrad as mg`), never matplotlib at the top of the file.

       def run(config):                       # -> the list of findings
           runs = lab.by_case(config, one_run, CASES, config.seeds(3, 10), "warmth")
           numbers = [Number.of("steps, warm", runs["warm"], "steps", expect=(10, 20)), ...]
           return [q13.WORDS.finding(numbers, seeds, data={"runs": runs}, factor=numbers[0].value)]

       def draw_runs(data):                   # -> a matplotlib Figure, from style.figure()

       register("warmth", "how warm it gets", [q13.WORDS], run, {"runs": draw_runs})

   run takes its seeds from config.seeds(default, full), its data from config.load(), and sends every loop over seeds,
   learning rates, ... through config.sweep or lab.by_case, where a job is a function at the top level of the module and
   its argument can be pickled. It prints nothing. All claims together have 60 s on two cores (config.full: 600 s).
3. Numbers carry the judgement: give those that the verdict rests on an `expect` interval (see Number), wide enough for
   any seed, narrow enough to mean something. A Finding whose numbers miss it is shown as "not confirmed in this run",
   never as true. A number that only describes says so with `descriptive=True`: one that has neither fails
   tests/study/test_studies.py.
4. Colours: style.PLUS and style.MINUS for signs alone, lab.COLOUR for activations, INK, ROSE and GREY for the rest.
   Direct labels rather than legends, none across a line; legible at 800 pixels, on a light page and on a dark one.
5. Import the module below. If it is forgotten, importing this package says which claim has no study.

tests/study/ runs every registered study, its pictures, and the Python of Finding.code.
"""

from __future__ import annotations

from typing import Any

from . import batch, depth, outer_product, pairing, patterns, remedies, saturation, zigzag
from .config import Config
from .finding import CLAIMS, Finding, Number
from .study import Study, in_claim_order

__all__ = ["CLAIMS", "STUDIES", "Config", "Finding", "Number", "Study", "plot"]

STUDIES = in_claim_order()


def plot(finding: Finding, picture: str | None = None) -> Any:
    """The matplotlib Figure of a finding's picture (of its first if None)."""
    return next(study for study in STUDIES.values() if finding.id in study.claims).plot(finding, picture)
