"""Two published sets of rules, written anew from what their papers and thresholds say, to be run on the same nets.

ranges(setup): static ranges and a few checks of structure, after UMLAUT (Schoop, Huang and Hartmann 2021): inputs
beyond [-1, 1], a learning rate that is not usual for Adam, no activation between two dense layers, a last activation
that does not fit the loss, much dropout, and then a NaN, or no falling loss, in a short training.

symptoms(setup): what a whole training shows, after AUTOTRAINER (Zhang et al. 2021), DeepLocalize (Wardat et al. 2021)
and DeepDiagnosis (Wardat et al. 2022): NaN, dying ReLU, gradients that vanish or explode, an oscillating or a flat
accuracy, saturated units, targets outside the last activation's range, and a loss that does not fall.

Both return the names of the findings that come nearest to what they say, first found first.
"""

import math
import warnings
from itertools import pairwise

import corpus
import numpy as np

import minigrad as mg
from minigrad.layers.activations import Activation
from minigrad.layers.containers import walk

EPOCHS = 30  # of the whole training that symptoms() looks at, at most

# UMLAUT: inputs outside of this, learning rates outside of that (its text says: of Adam), dropout above this
INPUTS, RATES, DROPOUT = (-1.0, 1.0), (1e-5, 1e-2), 0.5
# AUTOTRAINER: first over last gradient, and the first alone; last over first; share of zeros in the gradients
VANISHES, TINY, EXPLODES, DYING = 1e-3, 1e-4, 70.0, 0.7
# AUTOTRAINER: swings of the accuracy and how often; the largest rise of a slow one; the score of one that converges
SWING, OFTEN, RISE, CONVERGED = 0.03, 0.2, 0.01, 0.7
# DeepDiagnosis: |z| of a saturated unit, the share of such, and of units that are 0; the smallest mean gradient
SATURATED, MOST, ZERO, SMALLEST = 5.0, 0.5, 0.7, 1e-7


def short_training(setup, epochs):
    """(losses, accuracies, score, what happened) of a training of at most so many epochs; the set-up is used up."""
    losses, accuracies = [], []

    def note(epoch, net, history):
        losses.append(history.loss[-1])
        accuracies.append(history.accuracy[-1] if history.accuracy else math.nan)

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            mg.fit(
                setup.net, setup.loss, setup.opt, setup.x, setup.y, epochs=min(epochs, setup.epochs),
                batch_size=setup.batch_size, shuffle=setup.shuffle, rng=0, callbacks=[note], progress=False,
            )  # fmt: skip
    except mg.DivergenceError:
        return [*losses, math.nan], accuracies, "nan"
    except (ValueError, TypeError):
        return losses, accuracies, "refused"
    return losses, accuracies, ""


def missing_activation(net):
    """True where a Linear feeds another one, in the net or in a container inside it."""
    inside = [layer for _, layer in net.children()]
    pairs = (isinstance(a, mg.Linear) and isinstance(b, mg.Linear) for a, b in pairwise(inside))
    return any(pairs) or any(missing_activation(layer) for layer in inside)


def last_range(net):
    """(low, high) of the last layer's output, where it is an activation; else None."""
    last = walk(net)[-1][1]
    return last.range if isinstance(last, Activation) else None


def takes_logits(loss):
    return isinstance(loss, mg.CrossEntropyLoss | mg.BCEWithLogitsLoss)


def ranges(setup):
    """What UMLAUT's static checks, and its checks of an epoch, would say."""
    found, x = [], np.asarray(setup.x)
    if not np.isfinite(x).all():
        found.append("nan_data")
    elif x.min() < INPUTS[0] or x.max() > INPUTS[1]:
        found.append("unscaled_input")
    if takes_logits(setup.loss) and isinstance(walk(setup.net)[-1][1], Activation):
        found.append("activation_before_logits")
    if isinstance(setup.loss, mg.BCELoss) and not isinstance(walk(setup.net)[-1][1], mg.Sigmoid):
        found.append("bce_without_sigmoid")
    if missing_activation(setup.net):
        found.append("no_activation")
    if any(isinstance(layer, mg.Dropout) and layer.p > DROPOUT for _, layer in walk(setup.net)):
        found.append("dropout")
    if isinstance(setup.opt, mg.Adam | mg.RMSprop):
        found += ["lr_high"] if setup.opt.lr > RATES[1] else ["lr_low"] if setup.opt.lr < RATES[0] else []
    losses, _, state = short_training(setup, 5)
    if state == "nan":
        found.append("diverges")
    elif len(losses) > 1 and losses[-1] >= losses[0]:
        found.append("stuck")
    return found


def gradients(setup):
    """The gradients of the weights of a batch, first layer first, and that batch's activations; None if refused."""
    rows = slice(0, max(setup.batch_size, 32))
    try:
        with np.errstate(all="ignore"):
            bp = mg.backprop(setup.net, setup.loss, setup.x[rows], setup.y[rows])
    except (ValueError, TypeError):
        return None, None
    return [g.weight for name, g in bp.gradients.items() if hasattr(g, "delta")], bp.activations


def flow(weights, net):
    """Dying ReLU, and gradients that vanish or explode."""
    found, norms = [], [float(np.linalg.norm(w)) for w in weights]
    if not all(map(math.isfinite, norms)):
        return ["exploding"]
    rate = norms[0] / norms[-1] if norms[-1] else math.inf
    zeros = sum(int((w == 0).sum()) for w in weights) / sum(w.size for w in weights)
    if zeros >= DYING and any(isinstance(layer, mg.ReLU) for _, layer in walk(net)):
        found.append("dead_units")
    elif rate > EXPLODES:
        found.append("exploding")
    elif (rate < VANISHES and norms[0] < TINY) or min(float(np.abs(w).mean()) for w in weights) < SMALLEST:
        found.append("vanishing")
    return found


def units(net, activations):
    """Saturated and dead units, by what goes into and comes out of each activation."""
    found = []
    for layer, z, a in zip(net, activations, activations[1:], strict=False):
        if isinstance(layer, mg.Sigmoid | mg.Tanh) and (np.abs(z) >= SATURATED).mean() > MOST:
            found.append("saturation")
        if isinstance(layer, mg.ReLU) and (a <= 0).mean() >= ZERO:
            found.append("dead_units")
    return found


def course(losses, accuracies, score):
    """A loss that does not fall, an accuracy that swings, and one that hardly rises."""
    found, rises = [], np.diff(accuracies)
    swings = (np.abs(rises) >= SWING) & (np.append(rises[1:], 0) * rises < 0)
    if len(rises) > 2 and swings.mean() >= OFTEN:
        found.append("lr_high")
    if score < CONVERGED:
        flat = losses[-1] >= losses[0] if len(rises) == 0 or np.isnan(rises).any() else rises.max() < RISE
        found += ["lr_low"] if flat else []
        found += ["stuck"] if losses[-1] >= losses[0] else []
    return found


def symptoms(setup, task):
    """What AUTOTRAINER, DeepLocalize and DeepDiagnosis would say of a whole training."""
    found, limits, y = [], last_range(setup.net), np.asarray(setup.y)
    if not np.isfinite(np.asarray(setup.x)).all() or (y.dtype.kind == "f" and not np.isfinite(y).all()):
        return ["nan_data"]
    if limits and not takes_logits(setup.loss) and (y.min() < limits[0] or y.max() > limits[1]):
        found.append("target_range")
    before, activations = gradients(setup)
    if before is None:
        return [*found, "target_shape"]
    at_first = flow(before, setup.net) + units(setup.net, activations)
    losses, accuracies, state = short_training(setup, EPOCHS)
    if state == "refused":
        return [*found, "target_shape"]
    if state == "nan":
        return [*found, "diverges", "exploding"]
    with np.errstate(all="ignore"):
        score = corpus.score(task, setup.net(setup.x), setup.y, setup.loss)
    after, activations = gradients(setup)
    symptoms_now = flow(after, setup.net) + units(setup.net, activations)
    if score < CONVERGED:  # they ask for a cause only where training did not get far
        found += at_first + symptoms_now
    return list(dict.fromkeys(found + course(losses, accuracies, score)))
