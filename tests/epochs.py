"""One epoch in the compiled core, from one list of arguments."""


def train_epoch(core, ops, loss, threshold, optimizer, rates, steps, x, y, order, batch_size, alpha=0.0):
    """Compile a net and train it once -> (sum of the batch losses, right answers, steps taken, all finite?)."""
    return core.Program(ops, loss, alpha, threshold, optimizer, x, batch_size).run(x, y, order, rates, steps)
