"""Training: fit() runs the epochs, notices divergence, and can be stopped and resumed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from .._advice import shown
from .._checks import Rng, aligned, all_finite, as_batch, finite_rows, generator, instance, one_of, whole_number
from ..backprop import backprop
from ..files import archive
from ..layers.containers import Sequential, in_a_row, modes, output_shape, walk
from ..layers.norm import BatchNorm
from ..layers.parameters import settle
from ..losses import Loss
from .divergence import HINT, DivergenceError, overflow, warn_if_failed, warn_if_sorted
from .fused import compiled_epochs, obstacle
from .history import History, early_stopping, monitor_of
from .optimizers import Optimizer
from .orders import draw, epochs_at_once
from .progress import progress as progress_bar
from .progress import say
from .run import Run, check_checkpoint

Callback = Callable[[int, Sequential, History], Any]  # (epoch, net, history) -> true to end training
RunEpochs = Callable[..., tuple[Any, Any, int, bool]]
Save = Callable[[], str]
Data = tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None]  # x, y, validation


def fit(
    net: Sequential,
    loss: Loss,
    opt: Optimizer,
    x: Any,
    y: Any,
    *,
    epochs: int,
    batch_size: int = 32,
    shuffle: bool = True,
    rng: Rng = None,
    validation: tuple[Any, Any] | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 1,
    progress: bool = True,
    engine: str = "auto",
) -> History:
    """Train net in place by mini-batches and return the History.

    x (N, ..., J), y as the loss wants it; validation a pair (x, y). rng shuffles: a seed, a Generator or None.
    callbacks are called after each epoch as callback(epoch, net, history), epoch counting from 1; a true return value
    ends training. progress shows a bar on a terminal. engine: "auto", "fused" or "python".

    The net trains in training mode. Callbacks see it in eval mode, and fit leaves it so: net(x) is then what one means.
    For a loop of your own call net.train().

    checkpoint: a file that is written every `every` epochs and at the end, and from which the same call goes on, to the
    same bits, if it exists. It is refused where the net, the loss, the optimizer, the data, batch_size or shuffle are
    not those of the run. A run that a callback ended is over as long as a callback says so when it is asked again.

    Raises ValueError or TypeError, before anything changes, where the arguments do not fit, and DivergenceError, with
    the weights of the last finite epoch restored, where the loss stops being finite. A RuntimeWarning says of a loss
    that it ends far above where it began, or after 100 steps no better than a constant output's; and with
    shuffle=False, of samples that they are sorted by class. Ctrl-C leaves the net, and the checkpoint, as after a
    whole epoch; short ones are trained several at a time.
    """
    in_a_row(net, "net")
    instance(loss, Loss, "loss")
    instance(opt, Optimizer, "opt")
    epochs, batch_size = whole_number(epochs, "epochs", 0), whole_number(batch_size, "batch_size", 1)
    every = whole_number(every, "every", 1)
    one_of(engine, "engine", ("auto", "fused", "python"))
    callbacks = _callables(callbacks, loss, validation)
    prepare(net, opt)
    _epochs_of(engine, net, loss, opt)
    data = checked_data(net, loss, x, y, validation, batch_size)
    if not shuffle and batch_size < len(data[0]):
        warn_if_sorted(loss, data[1])
    run = Run(net, loss, opt, generator(rng), *data, batch_size, bool(shuffle))
    changing = any(monitor_of(callback) is None for callback in callbacks)
    save = _nothing if checkpoint is None else _resumed(run, checkpoint, epochs, changing)
    first = len(run.history)
    try:
        train(run, epochs, lambda left: progress_bar(left, "training", progress), engine, callbacks, save, every)
    except KeyboardInterrupt:
        say(f"\ninterrupted: the net is as after epoch {len(run.history)} of {epochs}{_last_saved(save)}")
        raise
    if len(run.history) > first:
        warn_if_failed(run, resumed=first > 0)
    return run.history


def prepare(net: Sequential, opt: Optimizer) -> None:
    """Check that opt may train net; from here on the kernels can use the net's arrays in place."""
    opt.check_net(net)
    settle(net)
    for name, array in net.parameters().items() if opt.state else ():
        opt.slots_of(name, array)


def checked_data(net: Sequential, loss: Loss, x: Any, y: Any, validation: Any, batch_size: int) -> Data:
    """(x, y, validation) as arrays of the net's type, checked against the net, the loss and batch_size."""
    x, y = _data(net, loss, x, y, "")
    if validation is not None:
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise ValueError(f"validation is a {type(validation).__name__}, expected a pair (x, y)")
        validation = _data(net, loss, validation[0], validation[1], "validation ")
    _check_batches(net, x, batch_size)
    return x, y, validation


def _nothing() -> str:
    return ""


def _last_saved(save: Save) -> str:
    """Where an interrupted run is saved, or why it is not, in words."""
    try:
        return save()
    except (OSError, ValueError) as problem:
        return f"; not saved: {problem}"


def _epochs_of(engine: str, net: Sequential, loss: Loss, opt: Optimizer) -> RunEpochs:
    """The function that runs epochs, the compiled one where it can; ValueError where it cannot and is asked for."""
    problem = obstacle(net, loss, opt) if engine != "python" else ""
    if engine == "fused" and problem:
        raise ValueError(f"engine 'fused' cannot train this: {problem}")
    return compiled_epochs() if problem is None else _python_epoch


def train(
    run: Run,
    epochs: int,
    bar_of: Callable[[range], Any],
    engine: str = "auto",
    callbacks: Sequence[Callback] = (),
    save: Save = _nothing,
    every: int = 1,
) -> None:
    """The epochs that are left. Where one fails, everything is put back as after the last whole one.

    bar_of makes of the epochs that are left what is iterated over: a progress bar.
    """
    net, opt, history, before = run.net, run.opt, run.history, modes(run.net)
    done = len(history)
    if epochs > done and not run.ended:
        opt.adopt(net)
    run.begin()
    try:
        _ask_again(run, callbacks)
        bar = bar_of(range(done, done if run.ended else epochs))
        run_epochs = _epochs_of(engine, net, run.loss, opt)
        most = 1 if run_epochs is _python_epoch or callbacks else _most_at_once(run)
        for epoch in bar:
            if epoch < done:
                continue  # it was trained with the one before
            net.train()
            opt.begin_epoch(epoch + 1)
            run.rates += [opt.lr] if opt.scheduled and opt.lr is not None else []
            run.asked = not callbacks
            count = min(most, epochs - done, epochs if save is _nothing else every - done % every)
            if not _epochs(run, run_epochs, done + 1, count):
                most = count = 1
                run_epochs = _put_back(run, engine)
                _epochs(run, run_epochs, done + 1, 1)
            done += count
            bar.set_postfix_str(f"loss {history.loss[-1]:.4g}", refresh=False)
            if callbacks:
                _ask(run, callbacks)
                run_epochs = _epochs_of(engine, net, run.loss, opt)  # of the layers that there are now
            if run.ended or done == epochs or done % every == 0:
                save()
            if run.ended:
                break
    except BaseException:
        run.restore(run.good)
        raise
    finally:
        opt.end_fit()
        net.eval()
        for layer, mode in before if not history.loss else ():
            layer.training = mode


def _ask(run: Run, callbacks: Sequence[Callback]) -> None:
    """Call all callbacks after an epoch; they may change the net and end the run."""
    run.net.eval()
    answers = [callback(len(run.history), run.net, run.history) for callback in callbacks]  # all are asked
    run.ended = any(answers)
    run.asked = True
    run.check_callbacks()


def _ask_again(run: Run, callbacks: Sequence[Callback]) -> None:
    """Of a resumed run: call the callbacks that an interruption cut short, or ask whether it still is over."""
    if not run.asked:
        _ask(run, callbacks)
    elif run.ended:
        before = run.snapshot()
        _ask(run, callbacks)
        ended = run.ended
        run.restore(before)  # nothing that they do may count twice
        run.ended = ended
        run.keep()


def _most_at_once(run: Run) -> int:
    """How many epochs go by in one call: 1 where something happens between them."""
    alone = run.validation is not None or run.opt.scheduled
    return 1 if alone else epochs_at_once(len(run.x), run.net)


def _epochs(run: Run, run_epochs: RunEpochs, number: int, count: int) -> bool:
    """Epochs `number` and following, into the history and kept -> True.

    Where something overflows: of several False, since one by one they say what; of one DivergenceError, as after the
    epoch before.
    """
    net, loss, opt, x, y, validation = run.net, run.loss, run.opt, run.x, run.y, run.validation
    orders = _orders(run, count)
    with np.errstate(all="ignore"):  # what overflows is found, and named
        total, right, steps, finite = run_epochs(net, loss, opt, x, y, orders, run.batch_size)
        if not finite and count > 1:
            return False
        step = steps // count if finite else steps + 1  # the last, in its epoch
        batch = orders[-1, (step - 1) * run.batch_size : step * run.batch_size]
        if not finite:
            place, remedy = overflow(net, loss, x[batch], y[batch], opt.lr if number > 1 or step > 1 else None)
            what = f"the loss stopped being finite in epoch {number}, step {step}, beginning in {place}"
            _diverged(run, batch, what, remedy)
        history = run.history
        history.loss += (total / step).tolist()
        if loss.of_classes:
            history.accuracy += share(loss, right, y).tolist()
        if validation is not None:
            net.eval()
            output = net(validation[0])
            history.val_loss.append(loss(output, validation[1]))
            if loss.of_classes:
                history.val_accuracy.append(share(loss, loss.right(output, validation[1]), validation[1]))
        if bad := run.keep():  # an epoch can end with finite losses and a last update that overflows
            if count > 1:
                return False
            layer = bad.partition(".")[0]
            what = f"{bad} of layer {layer}, {net[int(layer)]!r}, stopped being finite in the last step of epoch "
            _diverged(run, batch, f"{what}{number}", f"try a smaller lr than {opt.lr:g}")
    return True


def _put_back(run: Run, engine: str) -> RunEpochs:
    """Make the run what it was before epochs that failed; the function that trains its new arrays."""
    run.restore(run.good)
    run.net.train()
    run.opt.adopt(run.net)
    return _epochs_of(engine, run.net, run.loss, run.opt)


def _orders(run: Run, count: int) -> np.ndarray:
    """The samples in the order in which each of so many epochs visits them, (count, N)."""
    orders = np.empty((count, len(run.x)), np.uint32)
    if run.shuffle:
        draw(orders, run.rng)
    else:
        orders[...] = np.arange(len(run.x))
    return orders


def _diverged(run: Run, batch: np.ndarray, what: str, remedy: str) -> NoReturn:
    """Put the last snapshot back and raise the DivergenceError that says so."""
    run.restore(run.good)
    run.net.eval()
    history, kept = run.history.loss, run.loss(run.net(run.x[batch]), run.y[batch])
    risen = f", risen from {history[0]:.4g} in the first" if history and kept > 2 * history[0] else ""
    raise DivergenceError(
        f"{what}. The net keeps the weights of the last finite epoch ({len(history) or 'none: those it began with'}), "
        f"whose loss on the samples of that step is {kept:.4g}{risen}; {remedy}; {HINT}"
    )


def _resumed(run: Run, checkpoint: str | os.PathLike[str], epochs: int, changed: bool) -> Save:
    """Put back what the checkpoint file holds, if it is there -> a function that writes it, and says where to."""
    path, identity = Path(checkpoint), run.identity()
    if path.exists():
        run.resume(path, identity, epochs)
    else:
        check_checkpoint(path)
    archive.remove_leftovers(path)

    def save() -> str:
        run.save(path, identity, changed)
        return f", saved in {path}"

    return save


def _callables(callbacks: Any, loss: Loss, validation: Any) -> list[Callback]:
    """The callbacks as a list; a TypeError where one cannot be called, ValueError where one would find no numbers."""
    if callable(callbacks):
        raise TypeError("callbacks is a function, expected a list of functions: callbacks=[...]")
    if not isinstance(callbacks, tuple | list):
        raise TypeError(f"callbacks is a {type(callbacks).__name__}, expected a list of functions")
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"callbacks holds {shown(callback)}, expected functions (epoch, net, history)")
        if callback is early_stopping:
            raise TypeError("callbacks holds early_stopping itself, expected a call of it: mg.early_stopping(10)")
        monitor = monitor_of(callback) or ""
        if monitor.startswith("val_") and validation is None:
            raise ValueError(
                f"early_stopping watches {monitor!r}, but there is no validation: fit(..., validation=(x, y))"
            )
        if monitor.endswith("accuracy") and not loss.of_classes:
            raise ValueError(f"early_stopping watches {monitor!r}, but {loss!r} knows no right answers: watch a loss")
    return list(callbacks)


def _data(net: Sequential, loss: Loss, x: Any, y: Any, which: str) -> tuple[np.ndarray, np.ndarray]:
    """x and y as arrays of the net's type, checked against the net and the loss."""
    given = x, y
    x = as_batch(x, f"{which}x", net.dtype, net.in_features)
    if len(x) == 0:
        raise ValueError(f"{which}x has shape {x.shape}: there are no samples")
    _check_finite(x, given[0], f"{which}x")
    shape = output_shape(net, x)
    try:
        y = loss.targets(y, shape, x.dtype)
    except (TypeError, ValueError) as error:
        error.args = (f"{which}{error}",) if str(error).startswith("y ") else error.args
        raise
    if y.dtype.kind == "f":
        _check_finite(y, given[1], f"{which}y")
    x, y = (array if array.flags.c_contiguous and array.flags.aligned else aligned(array) for array in (x, y))
    return x, y


def _check_finite(array: np.ndarray, given: Any, name: str) -> None:
    """A ValueError for NaN and infinity, and for what became infinite in the net's float type."""
    try:
        finite_rows(array, name)
    except ValueError as error:
        if array.dtype == np.float32 and all_finite(np.asarray(given, np.float64)):
            raise ValueError(f"{error}, once it is float32 as the net is: scale it") from None
        raise


def _check_batches(net: Sequential, x: np.ndarray, batch_size: int) -> None:
    """BatchNorm has no statistics of one row: say so before an epoch is half done."""
    N, P = len(x), math.prod(x.shape[1:-1])
    if P == 1 and (min(batch_size, N) == 1 or N % batch_size == 1):
        for path, layer in walk(net):
            if isinstance(layer, BatchNorm):
                fix = "choose another batch_size" if N > 1 else "it needs two samples at least"
                raise ValueError(
                    f"batch_size {batch_size} leaves a batch of one of the {N} samples, which layer {path}, {layer!r}, "
                    f"cannot normalise; {fix}"
                )


def _python_epoch(
    net: Sequential, loss: Loss, opt: Optimizer, x: np.ndarray, y: np.ndarray, orders: np.ndarray, batch_size: int
) -> tuple[np.ndarray, np.ndarray, int, bool]:
    """The epoch of one row of orders, batch by batch -> as the compiled epochs; each of the first two is (1,)."""
    total, right = np.zeros(1), np.zeros(1, np.int64)
    for step, start in enumerate(range(0, len(x), batch_size)):
        batch = orders[0, start : start + batch_size]
        bp = backprop(net, loss, x[batch], y[batch])
        if not math.isfinite(bp.loss):
            return total, right, step, False
        opt.step(net, bp)
        total += bp.loss
        right += loss.right(bp.output, y[batch]) if loss.of_classes else 0
    return total, right, step + 1, True


def share(loss: Loss, right: Any, y: np.ndarray) -> Any:
    """Right answers as a share: of the rows, or of all entries where each is a question of its own."""
    by_entry = loss.threshold is not None or y.dtype.kind == "i" or y.ndim == 1
    return right / (y.size if by_entry else math.prod(y.shape[:-1]))
