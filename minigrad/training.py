"""Training: fit() runs the epochs, keeps a History, notices divergence, and can be stopped and resumed."""

import hashlib
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import checkpoint as files
from ._checks import all_finite, as_batch, finite_rows, generator, instance, one_of, shown, whole_number
from ._lowering import obstacle, train_epoch
from ._progress import progress as progress_bar
from .backprop import backprop
from .layers import BatchNorm, Dropout
from .losses import Loss
from .networks import Sequential, modes, predict_width, walk
from .optimizers import Optimizer

RUN_FORMAT = "minigrad run 1"


class DivergenceError(ArithmeticError):
    """The loss, or a weight, stopped being finite. The net keeps the weights of the last finite epoch."""


@dataclass
class History:
    """What fit saw, one entry per epoch.

    loss, accuracy          means of the batch losses and accuracies seen during the epoch, while the weights moved
    val_loss, val_accuracy  on the validation data, after the epoch
    The accuracies stay empty for losses that are not of classes.
    """

    loss: list = field(default_factory=list)
    val_loss: list = field(default_factory=list)
    accuracy: list = field(default_factory=list)
    val_accuracy: list = field(default_factory=list)

    def __len__(self):
        return len(self.loss)

    def plot(self, ax=None):
        """Loss against epoch, on a matplotlib Axes (a new one if None); returns the Axes. Needs matplotlib."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(layout="constrained")[1]
        epochs = range(1, len(self) + 1)
        for name, values, style in (("training", self.loss, "-"), ("validation", self.val_loss, "--")):
            if values:
                ax.plot(epochs, values, style, color="#444444", label=name)
                ax.annotate(name, (len(self), values[-1]), xytext=(4, 0), textcoords="offset points", va="center")
        ax.set(xlabel="epoch", ylabel="loss")
        return ax


def fit(
    net,
    loss,
    opt,
    x,
    y,
    *,
    epochs,
    batch_size=32,
    shuffle=True,
    rng=None,
    validation=None,
    callbacks=(),
    checkpoint=None,
    every=1,
    progress=True,
    engine="auto",
):
    """Train net in place by mini-batches and return the History.

    x (N, J), y as the loss wants it; validation a pair (x, y). rng shuffles: a seed, a Generator or None. callbacks are
    called after each epoch as callback(epoch, net, history), epoch counting from 1; a true return value ends training.
    checkpoint: a file that is written every `every` epochs and at the end, and from which the same call goes on if it
    exists. progress shows a bar on a terminal. engine: "auto", "fused" or "python".

    Raises ValueError or TypeError, before anything changes, where the arguments do not fit, and DivergenceError, with
    the weights of the last finite epoch restored, where the loss stops being finite. Ctrl-C leaves the net, and the
    checkpoint, as after the last whole epoch.
    """
    for value, kind, name in ((net, Sequential, "net"), (loss, Loss, "loss"), (opt, Optimizer, "opt")):
        instance(value, kind, name)
    epochs, batch_size = whole_number(epochs, "epochs", 0), whole_number(batch_size, "batch_size", 1)
    every = whole_number(every, "every", 1)
    one_of(engine, "engine", ("auto", "fused", "python"))
    problem = obstacle(net, loss, opt) if engine != "python" else ""
    if engine == "fused" and problem:
        raise ValueError(f"engine 'fused' cannot train this: {problem}")
    run_epoch = train_epoch if problem is None else _python_epoch
    callbacks = _callables(callbacks)
    x, y = _data(net, loss, x, y, "")
    if validation is not None:
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise ValueError(f"validation is a {type(validation).__name__}, expected a pair (x, y)")
        validation = _data(net, loss, validation[0], validation[1], "validation ")
    _check_batches(net, len(x), batch_size)
    run = _Run(net, loss, opt, generator(rng), History())
    identity = _identity(run, x, y, batch_size, shuffle) if checkpoint is not None else None
    if checkpoint is not None:
        if not Path(checkpoint).parent.is_dir():
            raise FileNotFoundError(f"checkpoint {checkpoint}: there is no folder {Path(checkpoint).parent}")
        files.remove_leftovers(checkpoint)
        if Path(checkpoint).exists():
            run.resume(checkpoint, identity)

    kept_modes = modes(net)
    good, spare = run.snapshot(), None
    done = len(run.history)
    bar = progress_bar(range(done, epochs), "training", progress)
    try:
        for epoch in bar:
            net.train()
            order = run.rng.permutation(len(x)) if shuffle else np.arange(len(x))
            with np.errstate(all="ignore"):  # what overflows is found, and named
                total, right, steps, finite = run_epoch(net, loss, opt, x, y, order, batch_size)
                if not finite:
                    batch = order[steps * batch_size : (steps + 1) * batch_size]
                    raise DivergenceError(_where(net, loss, x[batch], y[batch], epoch + 1, steps + 1))
                run.record(total / steps, right, y, validation)
            now = run.snapshot(spare)
            _check_weights(net, now["arrays"], epoch + 1)
            good, spare, done = now, good, epoch + 1
            bar.set_postfix_str(f"loss {total / steps:.4g}", refresh=False)
            stop = [callback(done, net, run.history) for callback in callbacks]
            last = done == epochs or any(stop)
            if checkpoint is not None and (last or done % every == 0):
                run.save(checkpoint, identity, good)
            if any(stop):
                break
    except BaseException as error:
        run.restore(good)
        if isinstance(error, KeyboardInterrupt):
            if checkpoint is not None:
                run.save(checkpoint, identity, good)
            where = f", saved in {checkpoint}" if checkpoint is not None else ""
            print(f"\ninterrupted: the net is as after epoch {done} of {epochs}{where}", file=sys.stderr, flush=True)
        raise
    finally:
        for layer, mode in kept_modes:
            layer.training = mode
    return run.history


def _callables(callbacks):
    """The callbacks as a list; a TypeError where one cannot be called."""
    if callable(callbacks):
        raise TypeError("callbacks is a function, expected a list of functions: callbacks=[...]")
    if not isinstance(callbacks, tuple | list):
        raise TypeError(f"callbacks is a {type(callbacks).__name__}, expected a list of functions")
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"callbacks holds {shown(callback)}, expected functions (epoch, net, history)")
    return list(callbacks)


def _data(net, loss, x, y, which):
    """x and y as arrays of the net's type, checked against the net and the loss."""
    x = as_batch(x, f"{which}x", net.dtype, net.in_features)
    if len(x) == 0:
        raise ValueError(f"{which}x has shape {x.shape}: there are no samples")
    finite_rows(x, f"{which}x")
    y = loss.targets(y, (len(x), predict_width(net, x)), x.dtype)
    if y.dtype.kind == "f":
        finite_rows(y, f"{which}y")
    return x, y


def _check_batches(net, N, batch_size):
    """BatchNorm has no statistics of one sample: say so before an epoch is half done."""
    if min(batch_size, N) == 1 or N % batch_size == 1:
        for path, layer in walk(net):
            if isinstance(layer, BatchNorm):
                raise ValueError(
                    f"batch_size {batch_size} leaves a batch of one of the {N} samples, which layer {path}, {layer!r}, "
                    "cannot normalise; choose another batch_size"
                )


def _python_epoch(net, loss, opt, x, y, order, batch_size):
    """One epoch, batch by batch -> (sum of the batch losses, right answers, steps taken, all finite?)."""
    total, right = 0.0, 0
    for step, start in enumerate(range(0, len(x), batch_size)):
        batch = order[start : start + batch_size]
        bp = backprop(net, loss, x[batch], y[batch])
        if not math.isfinite(bp.loss):
            return total, right, step, False
        opt.step(net, bp)
        total += bp.loss
        right += loss.right(bp.output, y[batch]) if loss.of_classes else 0
    return total, right, step + 1, True


def _share(loss, right, y):
    """Right answers as a share: of the samples, or of all entries where each is a question of its own."""
    return right / (len(y) if loss.threshold is None else y.size)


def _where(net, loss, x, y, epoch, step):
    """The message of a DivergenceError: the first layer whose output is not finite on the batch it happened on."""
    place = "the loss itself: every output is finite"
    for i, a in enumerate(backprop(net, loss, x, y).activations[1:]):
        if not np.isfinite(a).all():
            place = f"layer {i}, {net[i]!r}"
            break
    return (
        f"the loss stopped being finite in epoch {epoch}, step {step}, beginning in {place}. "
        "The net keeps the weights of the last finite epoch; try a smaller lr"
    )


def _check_weights(net, arrays, epoch):
    """An epoch can end with finite losses and a last update that overflows: that is divergence too."""
    for name, array in arrays.items():
        kind, layer, rest = name.split(".", 2)
        if kind == "net" and not all_finite(array):
            raise DivergenceError(
                f"{layer}.{rest} of layer {layer}, {net[int(layer)]!r}, stopped being finite in the last step of epoch "
                f"{epoch}. The net keeps the weights of the last finite epoch; try a smaller lr"
            )


def _identity(run, x, y, batch_size, shuffle):
    """What a checkpoint belongs to: it is refused where any of this is different."""
    data = hashlib.sha256(np.ascontiguousarray(x).tobytes() + np.ascontiguousarray(y).tobytes()).hexdigest()
    return {
        "net": repr(run.net),
        "loss": repr(run.loss),
        "optimizer": repr(run.opt),
        "data": data,
        "batch_size": batch_size,
        "shuffle": bool(shuffle),
        "rng": [rng.bit_generator.state["bit_generator"] for rng in run.generators()],  # their kinds
    }


@dataclass
class _Run:
    """Everything that changes while fit runs, so that it can be copied, put back, written and read."""

    net: Sequential
    loss: Loss
    opt: Optimizer
    rng: np.random.Generator
    history: History

    def record(self, mean_loss, right, y, validation):
        """Add an epoch to the history."""
        history, loss = self.history, self.loss
        history.loss.append(mean_loss)
        if loss.of_classes:
            history.accuracy.append(_share(loss, right, y))
        if validation is not None:
            self.net.eval()
            output = self.net(validation[0])
            history.val_loss.append(loss(output, validation[1]))
            if loss.of_classes:
                history.val_accuracy.append(_share(loss, loss.right(output, validation[1]), validation[1]))

    def generators(self):
        """The random generators in play: fit's own, then each Dropout's."""
        return [self.rng] + [layer.rng for _, layer in walk(self.net) if isinstance(layer, Dropout)]

    def arrays(self):
        """Every array that changes, by its name in a file."""
        found = {f"net.{name}": array for name, array in self.net.state().items()}
        for name, slots in self.opt.state.items():
            found |= {f"state.{i}.{name}": array for i, array in enumerate(slots)}
        return found

    def snapshot(self, spare=None):
        """A copy of all that changes; spare: one that is no longer needed, whose memory is used again."""
        arrays = self.arrays()
        if spare is not None and spare["arrays"].keys() == arrays.keys():
            copies = spare["arrays"]
            for name, array in arrays.items():
                copies[name][...] = array
        else:
            copies = {name: array.copy() for name, array in arrays.items()}
        return {
            "arrays": copies,
            "steps": self.opt.steps,
            "rng": [rng.bit_generator.state for rng in self.generators()],
            "epochs": len(self.history),  # its lists only grow, so their length is enough
        }

    def restore(self, kept):
        """Put a snapshot back."""
        arrays, slots = kept["arrays"], range(len(self.opt.slots))
        for name, array in self.net.state().items():
            array[...] = arrays[f"net.{name}"]
        names = [n for n in self.net.parameters() if kept["steps"] and all(f"state.{i}.{n}" in arrays for i in slots)]
        self.opt.state = {name: tuple(arrays[f"state.{i}.{name}"].copy() for i in slots) for name in names}
        self.opt.steps = kept["steps"]
        for rng, state in zip(self.generators(), kept["rng"], strict=True):
            rng.bit_generator.state = state
        for values in vars(self.history).values():
            del values[kept["epochs"] :]

    def save(self, path, identity, kept):
        """Write a snapshot to a file."""
        text = {"format": RUN_FORMAT, "identity": identity} | {k: kept[k] for k in ("steps", "rng", "epochs")}
        text["history"] = {name: values[: kept["epochs"]] for name, values in vars(self.history).items()}
        files.write_archive(path, text, kept["arrays"])

    def resume(self, path, identity):
        """Read a snapshot of this very run and put it back; ValueError where it is of another, or damaged."""
        text, arrays = files.read_archive(path, RUN_FORMAT)
        theirs = text["identity"] if isinstance(text.get("identity"), dict) else {}
        for name, value in identity.items():
            if theirs.get(name) != value:
                raise ValueError(
                    f"checkpoint {path} belongs to a run with another {name}: it has {shown(theirs.get(name))}, "
                    f"this one {value!r}"
                )
        before = self.snapshot()
        try:
            self.take(text, arrays)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self.restore(before)
            raise ValueError(f"checkpoint {path} does not hold the arrays and numbers of this run: {error}") from None

    def take(self, text, arrays):
        """Put back what a file holds; an error, perhaps halfway, where it does not fit."""
        steps, epochs = whole_number(text["steps"], "steps", 0), whole_number(text["epochs"], "epochs", 0)
        mine = {f"net.{name}": array for name, array in self.net.state().items()}
        for name, array in self.net.parameters().items() if steps else ():
            mine |= {f"state.{i}.{name}": array for i in range(len(self.opt.slots))}
        if {n: (a.shape, a.dtype) for n, a in arrays.items()} != {n: (a.shape, a.dtype) for n, a in mine.items()}:
            raise ValueError("names, shapes or types differ")
        files.check_finite({n: a for n, a in arrays.items() if n.startswith("net.")})  # slots may be infinite
        history = text["history"]
        if history.keys() != vars(self.history).keys() or len(history["loss"]) != epochs:
            raise ValueError("its history is not that of its epochs")
        for name, values in history.items():
            if len(values) not in (0, epochs):
                raise ValueError("its history is not that of its epochs")
            getattr(self.history, name)[:] = [float(value) for value in values]  # the validation loss may be infinite
        self.restore({"arrays": arrays, "steps": steps, "rng": text["rng"], "epochs": epochs})
