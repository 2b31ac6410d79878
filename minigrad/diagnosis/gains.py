"""What the remedies gain: each alone, then one after the other, trained for the same number of steps."""

from __future__ import annotations

from dataclasses import dataclass

from .context import Context
from .finding import Finding
from .remedies import Remedy, applied, in_turn
from .setup import Setup, run_trial

SEEDS = 3
MOST = 2000  # steps of a training that is tried


@dataclass(frozen=True)
class Gain:
    """The scores of a net with some remedies, over the seeds; names () is the net as it is.

    A score is 1 for perfect, 0 for the best constant output, below 0 for worse; see diagnosis/setup.py.
    """

    names: tuple[str, ...]
    scores: tuple[float, ...]

    @property
    def median(self) -> float:
        """The score of the middle seed."""
        return sorted(self.scores)[len(self.scores) // 2]


def measured_gains(c: Context, findings: list[Finding]) -> list[Gain]:
    """The gains of the remedies of the findings, first the net as it is."""
    found = [Gain((), _scores(c, c.setup))]
    changes: list[tuple[str, Remedy]] = [(f.name, f.change) for f in findings if f.change is not None]
    for name, change in changes:
        found.append(Gain((name,), _scores(c, applied(c.setup, change))))
    for count in range(2, len(changes) + 1):
        together = in_turn(*(change for _, change in changes[:count]))
        names = tuple(name for name, _ in changes[:count])
        found.append(Gain(names, _scores(c, applied(c.setup, together))))
    return found


def _scores(c: Context, setup: Setup) -> tuple[float, ...]:
    """Of a training as long as it is planned, for each seed; -1 where the remedies do not go together."""
    planned = setup.planned_steps
    steps = c.steps if planned is None else min(MOST, planned)
    looked_at = c.looked_at if len(setup.x) == c.N else c.looked_at[c.looked_at < len(setup.x)]
    try:
        return tuple(run_trial(setup, max(steps, 1), c.seed + i, looked_at).score for i in range(SEEDS))
    except (ValueError, TypeError, ArithmeticError):
        return (-1.0,) * SEEDS
