"""What is seen in the training scene now, in one sentence made from its numbers."""

from __future__ import annotations

from .train_numbers import lost
from .train_run import Run
from .wire import rounded

STILL = 100  # times smaller a delta is, from which on its layer hardly moves


def sentence(run: Run, numbers: dict[str, float], batch: int) -> str:
    """How far the net is, and the most telling of its signs and sizes."""
    if run.ended:
        return run.ended
    progress, telling = _progress(run, numbers), _telling(run, numbers, batch)
    return f"{progress}; {telling}." if telling else f"{progress}."


def _progress(run: Run, numbers: dict[str, float]) -> str:
    first, now = run.points[0].loss, numbers["loss"]
    of = "held-out " if "test-accuracy" in numbers else ""
    right = f"{100 * numbers.get('test-accuracy', numbers['accuracy']):.3g} % of the {of}samples are right"
    if run.steps == 0:
        return f"Before the first step the loss is {rounded(now)} and {right}"
    moved = "fallen" if now < first else "risen" if now > first else "stayed the same,"
    steps = "1 step" if run.steps == 1 else f"{run.steps:,} steps"
    return f"In {steps} the loss has {moved} from {rounded(first)} to {rounded(now)} and {right}"


def _telling(run: Run, numbers: dict[str, float], batch: int) -> str:
    """What a reader should look at: a layer that does not move, one that is saturated, or the signs of a layer."""
    paths = list(run.bp.gradients)
    if f"delta-norm.{paths[0]}" not in numbers:
        return ""
    shrunk = 10 ** -lost(numbers, paths)
    if shrunk > STILL:
        return f"delta at the first layer is {shrunk:,.0f} times smaller than at the last, so the first hardly moves"
    for path in paths:
        if (share := numbers.get(f"saturated.{path}", 0)) > 0.5:
            return f"{100 * share:.0f} % of the slopes behind layer {path} are close to 0: it is saturated"
    return _signs(run, numbers, batch)


def _signs(run: Run, numbers: dict[str, float], batch: int) -> str:
    """Of the last layer whose inputs are all of one sign; else of the last layer."""
    pairs = run.bp.gradients
    single = [path for path, g in pairs.items() if g.a.shape[1] > 1 and ((g.a >= 0).all() or (g.a <= 0).all())]
    path = single[-1] if single else list(pairs)[-1]
    rows, of_samples = numbers[f"single-signed.{path}"], numbers[f"single-signed-samples.{path}"]
    over = f"over the batch of {batch} that holds for {100 * rows:.0f} % of the rows" if rows == rows else ""
    if single:
        why = f"all inputs of layer {path} are of one sign, so each sample moves the weights of a neuron the same way"
        return f"{why}; {over}" if over else why
    if not over:
        return f"nothing moves in layer {path}"
    return (
        f"the inputs of layer {path} have both signs: {100 * of_samples:.0f} % of its samples' rows are single-signed"
    )
