"""Many nets at once: fit_many() trains each as fit does, side by side where that is faster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from functools import partial
from threading import Event
from typing import Any

from .._advice import shown
from .._checks import Rng, generator, instance, whole_number
from ..kernels.backend import core
from ..layers.containers import Sequential, in_a_row
from ..losses import Loss
from .divergence import DivergenceError, warn_if_sorted
from .fit import Data, checked_data, prepare, train
from .fused import obstacle
from .history import History
from .optimizers import Optimizer
from .progress import progress as progress_bar
from .progress import say
from .run import Run
from .side_by_side import Stopped, kind, least, train_side_by_side, why_alone

Kind = Hashable  # what nets side by side have in common; or, in words, why the fused epoch cannot train a net
Task = tuple[list[Run], Callable[[Event], None]]  # some of the nets, and what trains them until the event is set


def fit_many(
    nets: Sequence[Sequential],
    loss: Loss,
    opts: Sequence[Optimizer],
    x: Any,
    y: Any,
    *,
    epochs: int,
    batch_size: int = 32,
    shuffle: bool = True,
    rngs: Iterable[Rng] | None = None,
    validation: tuple[Any, Any] | None = None,
    jobs: int = 1,
    progress: bool = True,
) -> list[History]:
    """Train each net in place, as fit would alone and to the same bits, and return a History of each.

    nets may be of any kinds, each with weights of its own; opts and rngs hold one each: an optimizer; a seed or a
    Generator. rngs None: fresh randomness for each. x (N, ..., J), y and validation are shared; the other arguments are
    those of fit. For callbacks, checkpoints and warnings about a net that learned nothing take fit.

    A net that diverges keeps what fit keeps, the weights of its last finite epoch. Its History ends there, and
    history.error is the DivergenceError; it is not raised, and the other nets go on.

    Small nets of one shape, one float type and one kind of optimizer are trained side by side in vector registers, the
    others one after the other; mg.show_lanes says which, and why. jobs: threads that share the work. It changes no bit.

    Raises ValueError or TypeError, before anything changes, where the arguments do not fit; a net, optimizer, generator
    or array that is there twice among them. Ctrl-C leaves each net as after a whole epoch.
    """
    instance(loss, Loss, "loss")
    epochs, batch_size = whole_number(epochs, "epochs", 0), whole_number(batch_size, "batch_size", 1)
    jobs = whole_number(jobs, "jobs", 1)
    runs, kinds = _runs(nets, loss, opts, x, y, batch_size, bool(shuffle), rngs, validation)
    if runs and not shuffle and batch_size < len(runs[0].x):
        warn_if_sorted(loss, runs[0].y)
    tasks: list[Task] = []
    for places, reason in _shares(runs, kinds):
        some = [runs[i] for i in places]
        alone = reason or epochs == 0
        tasks += [([run], partial(_alone, run, i, epochs)) for run, i in zip(some, places, strict=True) if alone]
        tasks += [] if alone else [(some, partial(_beside, some, places, epochs))]
    finished = _finished(tasks, jobs)
    try:
        for _ in progress_bar(range(len(runs)), "training", progress):
            next(finished)
    except KeyboardInterrupt:
        finished.close()
        done = sum(len(run.history) == epochs or run.history.error is not None for run in runs)
        say(f"\ninterrupted: {done} of {len(runs)} nets are trained, the others are as after a whole epoch")
        raise
    return [run.history for run in runs]


def _finished(tasks: list[Task], jobs: int) -> Generator[None, None, None]:
    """Do the tasks in so many threads; yields once for each net whose training has ended.

    What a task raises ends the others too, after their epoch.
    """
    stop = Event()
    if jobs == 1:
        for runs, task in tasks:
            task(stop)
            yield from [None] * len(runs)
        return
    from concurrent.futures import ThreadPoolExecutor, as_completed  # longer to import than a small net to train

    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(task, stop): len(runs) for runs, task in tasks}
        try:
            for future in as_completed(futures):
                future.result()
                yield from [None] * futures[future]
        finally:
            stop.set()
            for future in futures:
                future.cancel()


def _shares(runs: list[Run], kinds: list[Kind]) -> list[tuple[list[int], str]]:
    """Which nets are trained together, and why one is trained alone: [(their places, the reason or "")]."""
    shares: list[tuple[list[int], str]] = []
    alone: list[tuple[list[int], str]] = []
    alike: dict[Kind, list[int]] = {}
    for i, one in enumerate(kinds):
        alike.setdefault(one, []).append(i)
    for one, places in alike.items():
        reason = one if isinstance(one, str) else why_alone(runs[places[0]])
        if reason:
            alone += [([i], reason) for i in places]
            continue
        for begin in range(0, len(places), core.LANES):
            some = places[begin : begin + core.LANES]
            if len(some) < least(runs[some[0]]):
                reason = f"{len(some)} nets of its kind are left for {core.LANES} lanes, which is too few"
                alone += [([i], reason) for i in some]
            else:
                shares.append((some, ""))
    return shares + alone


def _beside(runs: list[Run], places: list[int], epochs: int, stop: Event) -> None:
    """Train nets of one kind side by side, and those alone whose loss or weights did not stay finite."""
    failed = train_side_by_side(runs, epochs, stop)
    for i, run in zip(places, runs, strict=True):
        if any(run is other for other in failed):
            _alone(run, i, epochs, stop)


def _alone(run: Run, i: int, epochs: int, stop: Event) -> None:
    """Train one net, the one in place i, by the usual kernels."""

    def unless_stopped(left: range) -> Iterator[int]:
        for epoch in left:
            if stop.is_set():
                raise Stopped
            yield epoch

    try:
        train(run, epochs, lambda left: progress_bar(unless_stopped(left), "", False))
    except DivergenceError as error:
        run.history.error = error.with_traceback(None)  # which would hold on to all that the run has in memory
    except Exception as error:
        error.add_note(f"in the training of nets[{i}]")
        raise


def _runs(
    nets: Any, loss: Loss, opts: Any, x: Any, y: Any, batch_size: int, shuffle: bool, rngs: Any, validation: Any
) -> tuple[list[Run], list[Kind]]:
    """What fit needs to know of each net, checked: all before anything changes; and the kind of each."""
    nets, opts = _listed(nets, "nets", "nets"), _listed(opts, "opts", "optimizers")
    rngs = [None] * len(nets) if rngs is None else _listed(rngs, "rngs", "seeds or Generators")
    for name, entries in (("opts", opts), ("rngs", rngs)):
        if len(entries) != len(nets):
            raise ValueError(f"{name} has {len(entries)} entries for {len(nets)} nets; give one to each")
    runs, kinds = [], []
    known: dict[Kind, Data] = {}  # of nets that are alike the data need one look
    for i, (net, opt, rng) in enumerate(zip(nets, opts, rngs, strict=True)):
        in_a_row(net, f"nets[{i}]")
        instance(opt, Optimizer, f"opts[{i}]")
        try:
            prepare(net, opt)
            one = obstacle(net, loss, opt) or kind(net, opt)
            data = known.get(one) or checked_data(net, loss, x, y, validation, batch_size)
            if not isinstance(one, str):
                known[one] = data
            kinds.append(one)
            runs.append(Run(net, loss, opt, generator(rng), *data, batch_size, shuffle))
        except (TypeError, ValueError) as error:
            error.args = (f"nets[{i}]: {error}",)
            raise
    _apart(runs)
    return runs, kinds


def _listed(values: Any, name: str, what: str) -> list[Any]:
    """The argument as a list; a TypeError where it is none, a net for one."""
    if isinstance(values, Sequential | Optimizer | str | dict) or not isinstance(values, Iterable):
        raise TypeError(f"{name} is {shown(values)}, expected a list of {what}")
    return list(values)


def _apart(runs: list[Run]) -> None:
    """A ValueError where training one net would change another: what is there twice, or two arrays in one memory."""
    owners: dict[int, tuple[int, str]] = {}
    places = []  # (where an array begins in memory, where it ends, the number of its net, its name)
    for i, run in enumerate(runs):
        owned = [(run.net, f"nets[{i}]"), (run.opt, f"opts[{i}]"), (run.rng, f"rngs[{i}]")]
        owned += [(rng, f"a generator in nets[{i}]") for rng in run.drawing]
        for thing, name in owned:
            other, first = owners.setdefault(id(thing), (i, name))
            if other != i:
                raise ValueError(f"{first} and {name} are the same object; give each net one of its own")
        for name, array in run.net.state().items():
            begin = array.__array_interface__["data"][0]
            places.append((begin, begin + array.nbytes, i, name))
    end, last, last_name = 0, -1, ""
    for begin, its_end, i, name in sorted(places):
        if begin < end and i != last:
            raise ValueError(f"{last_name} of nets[{last}] and {name} of nets[{i}] share memory; copy one with .copy()")
        if its_end > end:
            end, last, last_name = its_end, i, name


def show_lanes(
    nets: Sequence[Sequential],
    loss: Loss,
    opts: Sequence[Optimizer],
    x: Any,
    y: Any,
    *,
    batch_size: int = 32,
    validation: tuple[Any, Any] | None = None,
) -> None:
    """Print which nets fit_many would train side by side, and why it would train the others alone."""
    batch_size = whole_number(batch_size, "batch_size", 1)
    for places, reason in _shares(*_runs(nets, loss, opts, x, y, batch_size, True, None, validation)):
        print(f"{', '.join(map(str, places))}: {f'alone, because {reason}' if reason else 'side by side'}")
