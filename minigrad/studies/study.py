"""What a study is, and where it is registered: a study that is written is there, one that is missing is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import style
from .config import Config
from .finding import CLAIMS, Finding, Words


@dataclass(frozen=True)
class Study:
    """A measurement, and the claims that it judges.

    name      that of its module
    title     what is measured, in a few words for the progress bar
    claims    the claims that it judges: ("Q4", "Q5")
    measure   config -> the findings, in the order of the claims
    pictures  {name of a picture: Finding.data -> matplotlib Figure}
    """

    name: str
    title: str
    claims: tuple[str, ...]
    measure: Callable[[Config], list[Finding]]
    pictures: dict[str, Callable[[dict], Any]]

    def run(self, config: Config) -> list[Finding]:
        """The findings, in the order of the claims."""
        return self.measure(config)

    def plot(self, finding: Finding, picture: str | None = None) -> Any:
        """The matplotlib Figure of one of the finding's pictures (of the first if None)."""
        with style.settings():
            return self.pictures[picture or next(iter(finding.pictures))](finding.data)


_REGISTERED: dict[str, Study] = {}


def register(
    name: str,
    title: str,
    words: list[Words],
    measure: Callable[[Config], list[Finding]],
    pictures: dict[str, Callable[[dict], Any]],
) -> Study:
    """Make a study known, with the words of the claims that it judges.

    ValueError where another study judges one of them, or where its pictures are not those that the words describe.
    """
    study = Study(name, title, tuple(word.id for word in words), measure, pictures)
    for other in _REGISTERED.values():
        if shared := set(study.claims) & set(other.claims):
            raise ValueError(f"{', '.join(sorted(shared))} is judged twice: by {other.name} and by {name}")
    described = {picture for word in words for picture in word.pictures}
    if different := described ^ set(pictures):
        raise ValueError(
            f"{name}: a picture is drawn but not described, or the reverse: {', '.join(sorted(different))}"
        )
    _REGISTERED[name] = study
    return study


def in_claim_order() -> dict[str, Study]:
    """{name: study} of all that are registered, in the order of the claims; a ValueError where a claim has none."""
    judged = {claim for study in _REGISTERED.values() for claim in study.claims}
    if missing := [claim for claim in CLAIMS if claim not in judged]:
        raise ValueError(
            f"no study judges {', '.join(missing)}: is its module imported in minigrad/studies/__init__.py?"
        )
    order = list(CLAIMS)
    return dict(sorted(_REGISTERED.items(), key=lambda item: order.index(item[1].claims[0])))
