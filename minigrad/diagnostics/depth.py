"""Depth: how much of delta is left after each layer, and what a very wide net with random weights would leave.

Index legend: n sample (N), p position (P), k neuron (K), l layer (L).
"""

import math
from typing import NamedTuple

import numpy as np

from .._checks import instance, quiet, real_number
from ..backprop import Backprop
from ..layers.activations import Activation, Identity
from ..layers.activations import activation as activation_named
from ..layers.base import Layer
from ..layers.containers import Residual, Sequential
from ..layers.dropout import Dropout
from ..layers.parameters import tree
from ..layers.quadrature import normal_quadrature
from .pairs import by_sample, signals

# ---- delta on its way down ------------------------------------------------------------------------------


class Attenuation(NamedTuple):
    """What is left of delta = dc/dz at each layer with a weight, in forward order.

    paths     the L layer paths
    norms     (L,) the root of the mean over the samples of |delta_n|^2, the squares added up over positions and neurons
    averaged  (L,) |mean of the delta_n summed over positions|, the norm of the bias's gradient: Nielsen's "speed of
              learning"
    decades   (L-1,) log10(norms[l] / norms[l+1]): decades of delta lost (negative) or won on the way down
    """

    paths: list[str]
    norms: np.ndarray
    averaged: np.ndarray
    decades: np.ndarray


@quiet
def attenuation(bp: Backprop) -> Attenuation:
    """Norms of delta per layer, and decades per layer: Attenuation. bp: what mg.backprop returned.

    The norms are of samples, all positions of one together: |dc_n/dz|, so that layers with different numbers of
    positions can be compared. Unit: that of the loss. A bound for sigmoid layers is |delta^1| <= |delta^L| 4^-(L-1)
    prod |W^l|_2, over l = 2..L; the rate to expect is `mean_field_rate` (theorem D3). A delta of 0 gives -inf, inf or
    nan decades.
    """
    instance(bp, Backprop, "bp")
    deltas = [np.asarray(g.delta, np.float64) for g in signals(bp).values()]
    norms = np.array([np.linalg.norm(delta) / math.sqrt(len(delta)) for delta in deltas])
    totals = [delta if delta.ndim == 2 else by_sample(delta).sum(axis=1) for delta in deltas]  # (N, K)
    averaged = np.array([np.linalg.norm(total.mean(axis=0)) for total in totals])
    decades = np.log10(norms[:-1]) - np.log10(norms[1:])
    return Attenuation(list(bp.gradients), norms, averaged, decades)


# ---- mean field -----------------------------------------------------------------------------------------

_POINTS, _WEIGHTS = normal_quadrature()
_TINY, _HUGE = 1e-30, 1e30  # a variance beyond them counts as 0 or infinite
_ROUNDS, _SKIPPED = 200, 20  # of the search for a fixed point; the steps that it skips at first


class MeanField(NamedTuple):
    """What depth does to a very wide random net.

    q         the variance of z far from the input; 0 or inf where it has no other limit
    chi       the factor of E|delta|^2 per layer
    decades   (1/2) log10 chi: the decades of |delta| per layer on the way down
    """

    q: float
    chi: float
    decades: float


@quiet
def mean_field_rate(activation: str | Activation, gain: float, bias_std: float = 0.0, q0: float = 1.0) -> MeanField:
    """What a very wide random net does to delta: MeanField.

    activation: a name or an Activation; weights N(0, gain^2 / fan-in), biases N(0, bias_std^2).
    q0: the variance of z in the first layer, gain^2 times the mean square of its inputs, up to 1e30.
        q = gain^2 E[f(sqrt(q) Z)^2] + bias_std^2        chi = gain^2 E[f'(sqrt(q) Z)^2]        Z ~ N(0, 1)
    q is the fixed point that iteration from q0 finds. For gelu and silu there are two where gain is between sqrt 2
    and 2, and q0 decides which; for the other activations here it does not matter. chi < 1: delta vanishes with
    depth; chi > 1: it explodes. Source: Poole et al. 2016, Schoenholz et al. 2017; theorem D3.
    """
    f = instance(activation_named(activation) if isinstance(activation, str) else activation, Activation, "activation")
    gain, bias_std = real_number(gain, "gain", 0, 1e100, open_low=True), real_number(bias_std, "bias_std", 0, 1e100)
    q = _fixed_point(f, gain, bias_std, real_number(q0, "q0", 0, _HUGE, open_low=True))
    chi = gain**2 * float(_WEIGHTS @ np.square(f.slope(math.sqrt(q) * _POINTS)))
    decades = 0.5 * math.log10(chi) if chi > 0 else -math.inf
    return MeanField(0.0 if q <= _TINY else math.inf if q >= _HUGE else q, chi, decades)


@quiet
def critical_gain(activation: str | Activation) -> float:
    """The gain at which chi passes 1, so that delta neither vanishes nor explodes; nan where there is none.

    activation: a name or an Activation; biases are 0. sigmoid 10.149, centered_sigmoid 4, tanh 1, relu sqrt 2. nan for
    gelu and silu: between sqrt 2 and 2 small signals die out and large ones grow without end, so that the gain
    depends on the input's scale (`mean_field_rate` with q0; theorem D3).
    """
    low, high = 1e-3, 1e3
    if not mean_field_rate(activation, low).chi < 1 < mean_field_rate(activation, high).chi:
        return math.nan
    while high / low > 1 + 1e-9:
        middle = math.sqrt(low * high)
        if mean_field_rate(activation, middle).chi < 1:
            low = middle
        else:
            high = middle
    for q0 in (0.01, 100.0):  # small and large inputs must agree with those of q0 = 1, to a hundredth
        smaller, larger = (mean_field_rate(activation, gain, q0=q0).chi for gain in (0.99 * low, 1.01 * high))
        if not smaller < 1 <= larger:
            return math.nan
    return math.sqrt(low * high)


@quiet
def mean_field_norms(net: Sequential, bp: Backprop) -> dict[str, float]:
    """What mean field makes of the last layer's |delta| on its way down: {layer path: expected norm}, in forward order.

    net and bp: what mg.backprop was given and returned. Beside it stand the norms of `attenuation`, in the same unit;
    at the last layer the two are equal. From a layer to the one below, E|delta|^2 is multiplied by chi of
    `mean_field_rate`, with gain^2 = J mean(W^2) of the upper one's weights, the lower one's biases, and the activation
    between them. On the way down it ends where something else stands between, or a weight is no matrix: the layers
    below are left out. {} for a net with a Residual.
    ValueError where bp is another net's.
    """
    parameters, paths = instance(net, Sequential, "net").parameters(), list(instance(bp, Backprop, "bp").gradients)
    for path in paths:
        if path not in parameters and f"{path}.weight" not in parameters:
            raise ValueError(f"bp has layer {path!r}, net has no weight of that name")
    between = _between(net, paths)
    if not paths or any(isinstance(layer, Residual) for _, layer in tree(net)):
        return {}
    layers = {path for path, _ in tree(net)}
    found = {paths[-1]: float(attenuation(bp).norms[-1])}
    for lower, upper in zip(paths[-2::-1], paths[:0:-1], strict=True):
        if lower not in layers or upper not in layers:  # inside a layer that nothing is known of
            break
        weight = parameters[upper] if upper in parameters else parameters[f"{upper}.weight"]
        f = between[lower][0] if between[lower] else Identity()
        if len(between[lower]) > 1 or weight.ndim != 2 or not isinstance(f, Activation):
            break
        gain = math.sqrt(weight.shape[1] * float(np.square(weight, dtype=np.float64).mean()))
        if not 0 < gain <= 1e100:
            break
        bias = parameters.get(f"{lower}.bias")
        spread = 0.0 if bias is None else float(np.sqrt(np.square(bias, dtype=np.float64).mean()))
        if not spread <= 1e100:
            break
        rate = mean_field_rate(f, gain, spread)
        found[lower] = found[upper] * 10**rate.decades
    return {path: found[path] for path in paths if path in found}


def _between(net: Sequential, paths: list[str]) -> dict[str, list[Layer]]:
    """The layers between each weight and the next, Dropout left out."""
    found: dict[str, list[Layer]] = {path: [] for path in paths}
    last = None
    for path, layer in tree(net):
        if path in found:
            last = path
        elif path and last is not None and not layer.children() and not isinstance(layer, Dropout):
            found[last].append(layer)
    return found


def _fixed_point(activation: Activation, gain: float, bias_std: float, q: float) -> float:
    """q = V(q), by iteration from the q given.

    Near a critical gain V alone takes for ever, so steps are skipped: by Aitken's rule where it contracts, and
    elsewhere by going on in proportion, for twice as many steps each time.
    """

    def variance(q: float) -> float:
        new = gain**2 * float(_WEIGHTS @ np.square(activation(math.sqrt(q) * _POINTS))) + bias_std**2
        return min(max(new, _TINY), _HUGE)

    skipped = _SKIPPED
    for _ in range(_ROUNDS):
        first = variance(q)
        second = variance(first)
        if abs(second - first) <= 1e-12 * first or second in (_TINY, _HUGE):
            return second
        slope = (second - first) / (first - q)
        if bias_std > 0 and abs(slope - 1) < 1e-9:  # V(q) = q + bias_std^2, as far as rounding tells
            return _HUGE
        if slope < 0:
            q = second
            continue
        q = first + (second - first) / (1 - slope) if slope < 1 else 0.0
        if q <= 0:
            log_guess = math.log(second) + skipped * math.log(second / first)
            q, skipped = math.exp(min(max(log_guess, math.log(_TINY)), math.log(_HUGE))), 2 * skipped
    return q
