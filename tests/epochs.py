"""One epoch in the compiled core, from one list of arguments."""

import numpy as np


def train_epoch(core, ops, loss, threshold, optimizer, rates, steps, x, y, order, batch_size, alpha=0.0):
    """Compile a net and train it once -> (sum of the batch losses, right answers, steps taken, all finite?)."""
    program = core.Program(ops, loss, alpha, threshold, optimizer, x, batch_size)
    return run_epoch(program, x, y, order, rates, steps)


def run_epoch(program, x, y, order, rates, steps):
    """The same of a compiled net."""
    loss, right, steps, finite = program.run(x, y, as_orders(order), rates, steps)
    return loss[0], right[0], steps, finite


def as_orders(*orders):
    """Orders of one epoch each, (N,) integers -> (epochs, N) as the core takes them; anything else as it is."""
    if all(isinstance(order, np.ndarray) and order.ndim == 1 and order.dtype == np.int64 for order in orders):
        return np.array(orders).astype(np.uint32)
    return orders[0]
