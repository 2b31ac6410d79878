"""Every public function and method, with kinds of arguments that fit it: what test_fuzz_functions.py spoils."""

import inspect

import catalogue
import numpy as np
from catalogue import ACTIVATION_CLASSES as ACTIVATIONS
from random_arguments import OneOf, classes, normal, shares

import minigrad as mg
from minigrad import datasets as ds
from minigrad import diagnostics as dg
from minigrad.layers.initializers import INITIALIZERS


def signs(letters):
    return lambda draw: np.sign(draw.normal(letters))


def drawn(values):
    """(N, K) or (N,) of a function of the catalogue, in the float type of the input."""

    def array(draw):
        found = values(draw.numpy_generator(), draw.size("N"), draw.size("K"))
        return found if found.dtype.kind == "i" else found.astype(draw.dtype)

    return array


def target_of(draw):
    """y for the loss that was drawn before it."""
    return drawn(catalogue.examples_of(draw.loss)[0].targets)(draw)


def loss(draw):
    draw.loss = draw.choice(list(catalogue.LOSSES.values())).loss
    return draw.loss


def net(draw):
    """A net J -> K with some of everything."""
    J, H, K, seed, dtype = draw.size("J"), draw.size("H"), draw.size("K"), draw.getrandbits(32), draw.dtype
    layers = [mg.Linear(J, H, rng=seed, dtype=dtype), draw.choice(list(ACTIVATIONS.values()))()]
    if draw.random() < 0.3:
        layers.append(draw.choice((mg.Dropout(0.5, rng=seed), mg.Residual(mg.Linear(H, H, dtype=dtype, rng=seed)))))
    layers += [mg.Linear(H, K, dtype=dtype, rng=seed)]
    if isinstance(getattr(draw, "loss", None), mg.BCELoss):
        layers.append(mg.Sigmoid())
    return mg.Sequential(*layers)


def sigmoids(draw):
    return mg.mlp([draw.size("J"), draw.size("H"), draw.size("K")], rng=draw.getrandbits(32))


def optimizer(draw):
    return draw.choice(list(catalogue.OPTIMIZERS.values()))(lr=0.1)


def pair(draw):
    """A WeightGradient."""
    return mg.WeightGradient(draw.normal("NK"), draw.normal("NJ"))


def backward_pass(draw):
    """What backprop returns."""
    draw.loss = mg.MSELoss()
    return mg.backprop(net(draw).eval(), draw.loss, draw.normal("NJ"), draw.normal("NK"))


def gradients(draw):
    """What an optimizer takes for a Linear(J, K)."""
    return {"0.weight": draw.normal("KJ"), "0.bias": draw.normal("K")}


def linear(draw):
    return mg.Sequential(mg.Linear(draw.size("J"), draw.size("K"), rng=draw.getrandbits(32), dtype=draw.dtype))


def rotation(draw):
    return np.linalg.qr(draw.numpy_generator().standard_normal((draw.size("J"), draw.size("J"))))[0]


def layer(draw):
    """A layer that takes J numbers."""
    J, seed = draw.size("J"), draw.getrandbits(32)
    return draw.choice((
        lambda: mg.Linear(J, draw.size("K"), rng=seed, dtype=draw.dtype),
        lambda: mg.BatchNorm(J, dtype=draw.dtype).train(draw.random() < 0.7),
        lambda: mg.Dropout(0.5, rng=seed),
        lambda: mg.Residual(mg.Linear(J, J, rng=seed, dtype=draw.dtype), mg.Tanh()),
        lambda: draw.choice(list(ACTIVATIONS.values()))(),
    ))()  # fmt: skip


def all_of_a_pair(delta, a):
    """All that a WeightGradient can tell."""
    g = mg.WeightGradient(delta, a)
    return g.weight, g.bias, g.per_sample(), g.per_sample_norms()


rate, share, count, seed = OneOf(0.01, 0.1, 1.0), OneOf(0.0, 0.5, 0.9), OneOf(1, 2, 5), OneOf(0, 1, None, 7)
kind, flag = OneOf(*ACTIVATIONS), OneOf(True, False)
INIT = {"rng": lambda draw: np.random.default_rng(0), "K": count, "J": count}

# name: (function, kinds of its arguments, how many inputs an input of the cheapest costs)
FUNCTIONS = {
    # the layers and the nets
    "layer(x)": (lambda self, x: self(x), {"self": layer, "x": normal("NJ")}, 1),
    "net(x)": (lambda self, x: self(x), {"self": net, "x": normal("NJ")}, 2),
    "activation(z)": (lambda self, z: ACTIVATIONS[self]()(z), {"self": kind, "z": normal("NJ")}, 1),
    "activation.slope": (lambda self, z: ACTIVATIONS[self]().slope(z), {"self": kind, "z": normal("NJ")}, 1),
    "activation.moments": (lambda self: ACTIVATIONS[self]().moments(), {"self": kind}, 100),
    "load_state_dict": (lambda self, state: self.load_state_dict(state), {"self": linear, "state": gradients}, 1),
    "Linear": (mg.Linear, {"in_features": count, "out_features": count, "bias": flag, "init": OneOf(*INITIALIZERS),
                           "dtype": OneOf("f4", "f8"), "rng": seed}, 1),
    "BatchNorm": (mg.BatchNorm, {"num_features": count, "eps": rate, "momentum": share, "dtype": OneOf("f4", "f8")}, 1),
    "Dropout": (mg.Dropout, {"p": share, "rng": seed}, 1),
    "LeakyReLU": (mg.LeakyReLU, {"negative_slope": rate}, 1),
    "ELU": (mg.ELU, {"alpha": rate}, 1),
    "Sequential": (mg.Sequential, {"layer": layer, "second": layer}, 1),
    "Residual": (mg.Residual, {"layer": layer, "second": layer}, 1),
    "mlp": (mg.mlp, {"sizes": lambda draw: [draw.size("J"), draw.size("K")], "activation": kind,
                     "init": OneOf(*INITIALIZERS), "dtype": OneOf("f4", "f8"), "rng": seed}, 1),
    "initializers.normal": (mg.initializers.normal, {"std": rate}, 1),
    # the losses
    "sigmoid": (mg.sigmoid, {"z": normal("NK")}, 1),
    "softmax": (mg.softmax, {"z": normal("NK")}, 1),
    "accuracy": (mg.accuracy, {"output": normal("NK"), "y": classes, "threshold": share}, 1),
    **{f"{example.loss!r}, {name}": (
        example.loss.value_and_delta, {"output": drawn(example.output), "y": drawn(example.targets)}, 1)
       for name, example in catalogue.LOSSES.items()},
    "loss(output, y)": (
        lambda self, output, y: self(output, y), {"self": loss, "output": shares("NK"), "y": target_of}, 1),
    "loss.delta": (
        lambda self, output, y: self.delta(output, y), {"self": loss, "output": shares("NK"), "y": target_of}, 1),
    # training
    "WeightGradient": (all_of_a_pair, {"delta": normal("NK"), "a": normal("NJ")}, 1),
    "backprop": (mg.backprop, {"net": net, "loss": loss, "x": normal("NJ"), "y": target_of}, 3),
    "gradcheck": (
        lambda net, x, y: mg.gradcheck(net, mg.MSELoss(), x, y, tolerance=np.inf),
        {"net": linear, "x": normal("NJ"), "y": normal("NK")}, 60),
    "SGD": (mg.SGD, {"lr": rate, "momentum": share, "nesterov": flag, "weight_decay": share}, 1),
    "RMSprop": (mg.RMSprop, {"lr": rate, "alpha": share, "eps": rate, "weight_decay": share}, 1),
    "Adam": (mg.Adam, {"lr": rate, "betas": lambda draw: (0.9, 0.999), "eps": rate, "weight_decay": share}, 1),
    "AdamW": (mg.AdamW, {"lr": rate, "betas": lambda draw: (0.9, 0.999), "eps": rate, "weight_decay": share}, 1),
    "step": (
        lambda self, net, gradients: self.step(net, gradients),
        {"self": optimizer, "net": linear, "gradients": gradients}, 1),
    "fit": (lambda net, loss, opt, x, y, epochs, batch_size, every: mg.fit(
        net, loss, opt, x, y, epochs=epochs, batch_size=batch_size, every=every, progress=False, rng=0),
        {"net": net, "loss": loss, "opt": optimizer, "x": normal("NJ"), "y": target_of,
         "epochs": OneOf(0, 1, 2), "batch_size": OneOf(1, 2, 9), "every": count}, 20),
    "fit, options": (lambda net, x, y, validation, rng, engine, callbacks: mg.fit(
        net, mg.MSELoss(), mg.Adam(), x, y, epochs=1,
        validation=validation, rng=rng, engine=engine, callbacks=callbacks, progress=False),
        {"net": net, "x": normal("NJ"), "y": normal("NK"),
         "validation": lambda draw: (draw.normal("NJ"), draw.normal("NK")),
         "rng": seed, "engine": OneOf("auto", "python"), "callbacks": lambda draw: [lambda *a: False]}, 20),
    # the data
    "datasets.load": (ds.load, {"name": OneOf("iris", "xor")}, 60),
    "datasets.moons": (ds.moons, {"n": count, "noise": share, "rng": seed}, 2),
    "datasets.circles": (ds.circles, {"n": count, "noise": share, "factor": OneOf(0.3, 0.5), "rng": seed}, 2),
    "datasets.spirals": (
        ds.spirals, {"n": OneOf(5, 9), "classes": OneOf(2, 3), "noise": share, "turns": rate, "rng": seed}, 2),
    "datasets.blobs": (ds.blobs, {"n": OneOf(5, 9), "classes": OneOf(2, 3), "spread": share, "rng": seed}, 2),
    "datasets.load_idx": (ds.load_idx, {"path": OneOf("no such file")}, 1),
    "datasets.load_mnist": (ds.load_mnist, {"folder": OneOf("no such folder")}, 1),
    "save": (mg.save, {"net": net, "path": OneOf("a file")}, 60),
    "load": (mg.load, {"path": OneOf("no such file")}, 1),
    # the diagnostics
    "second_moment": (dg.second_moment, {"a": normal("NJ"), "bias": flag}, 1),
    "spectrum": (dg.spectrum, {"a": normal("NJ"), "bias": flag}, 1),
    "condition_number": (dg.condition_number, {"a": normal("NJ"), "bias": flag}, 1),
    "coherence": (dg.coherence, {"a": normal("NJ")}, 1),
    "critical_batch": (dg.critical_batch, {"a": normal("NJ"), "bias": flag}, 1),
    "max_stable_lr": (dg.max_stable_lr, {"a": normal("NJ"), "bias": flag, "curvature": rate}, 1),
    "rank": (dg.rank, {"a": normal("NJ"), "bias": flag}, 1),
    "condition_number, seen": (dg.condition_number, {"a": normal("NJ"), "bias": flag, "null_space": flag}, 1),
    "max_stable_lr, loss": (dg.max_stable_lr, {"a": pair, "bias": flag, "loss": loss}, 1),
    "sharpness": (
        lambda net, loss, x, y, tolerance: dg.sharpness(net, loss, x, y, tolerance=tolerance),
        {"net": linear, "loss": loss, "x": normal("NJ"), "y": target_of, "tolerance": OneOf(0.1, 1e-3)}, 30),
    "gram_signs": (dg.gram_signs, {"a": normal("NJ"), "bias": flag}, 2),
    "sign_pattern": (dg.sign_pattern, {"g": normal("KJ")}, 1),
    "single_signed_rows": (dg.single_signed_rows, {"g": normal("KJ")}, 1),
    "single_signed_rows, g": (dg.single_signed_rows, {"g": pair, "per_sample": flag}, 1),
    "zero_rows": (dg.zero_rows, {"g": pair, "per_sample": flag}, 1),
    "single_signed_share": (dg.single_signed_share, {"g": pair, "per_sample": flag}, 1),
    "delta_agreement": (dg.delta_agreement, {"bp": backward_pass}, 4),
    "reachable_patterns": (
        lambda K, J, pattern: pattern in dg.reachable_patterns(K, J),
        {"K": count, "J": count, "pattern": signs("KJ")}, 1),
    "pattern_count": (dg.pattern_count, {"J": count, "r": OneOf(0, 1, 4)}, 1),
    "sign_entropy_bits": (dg.sign_entropy_bits, {"g": normal("NKJ")}, 2),
    "sign_entropy_bits, g": (dg.sign_entropy_bits, {"g": pair}, 2),
    "mean_fluctuation_split": (dg.mean_fluctuation_split, {"g": pair}, 1),
    "survival_probability": (dg.survival_probability, {"J": count, "r": share}, 60),
    "survival_limit": (dg.survival_limit, {"a": normal("NJ"), "draws": count, "rng": seed}, 1),
    "batch_survival": (dg.batch_survival, {"g": pair, "batch_size": OneOf(1, 2), "draws": count, "rng": seed}, 4),
    "is_reachable": (dg.is_reachable, {"pattern": signs("J"), "a": normal("NJ"), "tolerance": OneOf(1e-9)}, 60),
    "nearest_reachable": (dg.nearest_reachable, {"update": normal("KJ"), "a": normal("NJ")}, 2),
    "nearest_reachable, signs": (
        dg.nearest_reachable, {"update": normal("KJ"), "a": normal("NJ"), "signs": signs("NK")}, 20),
    "sign_detour": (dg.sign_detour, {"d": normal("KJ")}, 1),
    "fewest_reversals": (dg.fewest_reversals, {"u": normal("J"), "length": rate, "eps": rate}, 1),
    "tube_legs": (dg.tube_legs, {"u": normal("J"), "length": rate, "eps": OneOf(0.5)}, 1),
    "narrow_cone": (dg.narrow_cone, {"a": normal("NJ"), "axis": normal("J")}, 1),
    "ZigZag.of_updates": (dg.ZigZag.of_updates, {"updates": normal("NKJ"), "target": normal("KJ"), "floor": share}, 2),
    "ZigZag.of_weights": (dg.ZigZag.of_weights, {"weights": normal("NKJ"), "target": normal("KJ"), "floor": share}, 2),
    "saturation": (dg.saturation, {"net": net, "x": normal("NJ"), "threshold": rate}, 5),
    "dead_units": (dg.dead_units, {"net": net, "x": normal("NJ")}, 5),
    "attenuation": (dg.attenuation, {"bp": backward_pass}, 4),
    "mean_field_norms": (dg.mean_field_norms, {"net": net, "bp": backward_pass}, 10),
    "mean_field_rate": (dg.mean_field_rate, {"activation": kind, "gain": rate, "bias_std": share, "q0": rate}, 400),
    "critical_gain": (dg.critical_gain, {"activation": OneOf("relu", "identity", "x")}, 1000),
    "orthant_pairs": (dg.orthant_pairs, {"g": pair}, 2),
    "best_diagonal_condition": (dg.best_diagonal_condition, {"a": normal("NJ"), "bias": flag}, 30),
    "curvature_outlier": (dg.curvature_outlier, {"bp": backward_pass}, 8),
    "rotate": (dg.rotate, {"net": linear, "x": normal("NJ"), "Q": rotation}, 4),
    "gauge_flip": (dg.gauge_flip, {"net": linear, "x": normal("NJ"), "signs": signs("J"), "layer": OneOf(0)}, 2),
    "tanh_twin": (dg.tanh_twin, {"net": sigmoids}, 4),
    "twin_preconditioner": (dg.twin_preconditioner, {"net": sigmoids}, 2),
    "precondition": (dg.precondition, {"bp": backward_pass, "matrices": lambda draw: {}}, 4),
    "NarrowCone.shortest": (lambda a, d: dg.narrow_cone(a).shortest(d), {"a": normal("NJ"), "d": normal("J")}, 2),
    "SignPatterns.patterns": (
        lambda K, J: dg.reachable_patterns(K, J).patterns(), {"K": OneOf(1, 2), "J": OneOf(1, 3)}, 2),
}  # fmt: skip

KIND_OF_ARGUMENT = {  # for the diagnostics that have no line above
    "a": normal("NJ"), "x": normal("NJ"), "g": pair, "bp": backward_pass, "net": sigmoids, "loss": loss, "y": target_of,
    "bias": flag, "per_sample": flag, "batch_size": OneOf(1, 2), "draws": count, "rng": seed,
}  # fmt: skip
for name, function in catalogue.DIAGNOSTIC_FUNCTIONS.items():
    if not any(target.partition(",")[0] == name for target in FUNCTIONS):
        needed = [n for n, p in inspect.signature(function).parameters.items() if p.default is p.empty]
        FUNCTIONS[name] = (function, {argument: KIND_OF_ARGUMENT[argument] for argument in needed}, 10)
