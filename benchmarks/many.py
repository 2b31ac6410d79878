"""Times many nets of one shape at once: fit_many beside JAX's vmap over the scan and torch.func's stacked modules.

python benchmarks/many.py                                   everything, some ten minutes
python benchmarks/many.py --quick --only online --dtypes float32

All peers train M nets with rates of their own. Each net has its own order of the samples in each epoch, drawn within
the time, but for "one order", where all nets share it. All end with the same losses, or nothing is timed.
"""

import one_core  # noqa: F401  (first: it sets the threads before NumPy is loaded)

# isort: split
import argparse
import time
import warnings

import numpy as np
from peers import Peer, jax_loss, minigrad_net, torch_net
from steps import names_of
from timing import TOLERANCE, best_times, write
from workloads import DTYPES, WORKLOADS, Workload, problem

import minigrad as mg

warnings.filterwarnings("ignore", "nothing was learned")  # in so few epochs

SMALL = Workload("small", (2, 8, 8, 1), 32, "tanh", 0.1, 400)
NETS = {"online": WORKLOADS["online"], "small": SMALL, "toy": WORKLOADS["toy"], "digits": WORKLOADS["digits"]}
MANY = {"online": (16, 256, 1024), "small": (16, 256), "toy": (16, 256), "digits": (16, 64)}
EPOCHS = {"online": 20, "small": 4, "toy": 4, "digits": 1}  # in one call, as one would train; all peers do as many
COMPARED = 3e-3  # of float32 losses: a rate that is higher by a third carries roundings further


def rates(p, M):
    """A learning rate for each net."""
    return p.workload.lr * np.linspace(0.7, 1.0, M)


def orders(p, generators):
    """One epoch's orders of all nets, (M, steps, batch)."""
    return np.stack([rng.permutation(len(p.x)) for rng in generators]).reshape(len(generators), -1, p.workload.batch)


def ours(p, M, jobs=1, together=True):
    """fit_many; or fit, one net after the other."""
    nets = [minigrad_net(p)[0] for _ in range(M)]
    opts = [mg.SGD(float(lr)) for lr in rates(p, M)]
    rngs = [np.random.default_rng(i) for i in range(M)]
    loss = mg.BCEWithLogitsLoss() if p.binary else mg.CrossEntropyLoss()
    settings = {"batch_size": p.workload.batch, "progress": False}

    def run(epochs):
        if together:
            histories = mg.fit_many(nets, loss, opts, p.x, p.y, epochs=epochs, rngs=rngs, jobs=jobs, **settings)
        else:
            parts = zip(nets, opts, rngs, strict=True)
            histories = [
                mg.fit(net, loss, opt, p.x, p.y, epochs=epochs, rng=rng, **settings) for net, opt, rng in parts
            ]
        return [history.loss[-1] for history in histories]

    return Peer(run, None)


def jax_vmap(p, M, own=True):
    """The compiled epoch, a lax.scan, under vmap; own: an order for each net, else one for all."""
    import jax
    import jax.numpy as jnp

    loss = jax_loss(p)
    targets = p.y if p.binary else np.eye(p.workload.sizes[-1], dtype=p.dtype)[p.y]
    x, y, lr = jnp.array(p.x), jnp.array(targets), jnp.array(rates(p, M), p.dtype)
    params = [(jnp.stack([w] * M), jnp.stack([b] * M)) for w, b in zip(p.weights, p.biases, strict=True)]
    generators = [np.random.default_rng(i) for i in range(M if own else 1)]

    def epoch(params, lr, order):
        def step(params, batch):
            value, gradients = jax.value_and_grad(loss)(params, x[batch], y[batch])
            return jax.tree.map(lambda w, g: w - lr * g, params, gradients), value

        return jax.lax.scan(step, params, order)

    compiled = jax.jit(jax.vmap(epoch, in_axes=(0, 0, 0 if own else None)), donate_argnums=0)

    def run(epochs):
        nonlocal params
        for _ in range(epochs):
            order = orders(p, generators).astype(np.int32)
            params, losses = compiled(params, lr, order if own else order[0])
        return np.asarray(losses).mean(axis=1).tolist()

    return Peer(run, None)


def torch_stacked(p, M):
    """torch.func: modules stacked, vmap of the gradient, one step at a time."""
    import torch
    from torch.func import functional_call, grad_and_value, stack_module_state, vmap

    pairs = [torch_net(p) for _ in range(M)]
    params, _ = stack_module_state([net for net, _ in pairs])
    net, criterion = pairs[0]
    x, y, lr = torch.from_numpy(p.x), torch.from_numpy(p.y), torch.from_numpy(rates(p, M).astype(p.dtype))
    generators = [np.random.default_rng(i) for i in range(M)]

    def loss(params, x, y):
        return criterion(functional_call(net, params, x), y)

    gradient = vmap(grad_and_value(loss))

    def run(epochs):
        for _ in range(epochs):
            total = torch.zeros(M, dtype=x.dtype)
            for batch in torch.from_numpy(orders(p, generators)).transpose(0, 1):
                gradients, value = gradient(params, x[batch], y[batch])
                with torch.no_grad():
                    for name, w in params.items():
                        w -= lr.view(-1, *[1] * (w.ndim - 1)) * gradients[name]
                total += value.detach()
        return (total / p.workload.steps).tolist()

    return Peer(run, None)


PEERS = {
    "ours": ours,
    "ours, one by one": lambda p, M: ours(p, M, together=False),
    "jax vmap": jax_vmap,
    "jax vmap, one order": lambda p, M: jax_vmap(p, M, own=False),
    "torch.func": torch_stacked,
}


def measure(workload, dtype, M, names, rounds):
    """{peer: microseconds per net and step} of M nets."""
    p = problem(workload, dtype)
    peers = {name: PEERS[name](p.copy(), M) for name in names}
    first = {name: peer.run(1) for name, peer in peers.items() if name != "jax vmap, one order"}
    tolerance = COMPARED if dtype is np.float32 else TOLERANCE["float64"] * 100
    for name, losses in first.items():
        np.testing.assert_allclose(losses, first["ours"], rtol=tolerance, err_msg=name)
    epochs = EPOCHS[workload.name]
    calls = {name: (lambda units, peer=peer: [peer.run(epochs) for _ in range(units)]) for name, peer in peers.items()}
    seconds = best_times(calls, rounds, budget=2.0)
    return {name: 1e6 * s / workload.steps / M / epochs for name, s in seconds.items()}


def xor():
    """Seconds that 1,000 nets 2-2-1 take for 2,000 epochs of exclusive or, all four samples a step: (ours, JAX's)."""
    workload = Workload("xor", (2, 2, 1), 4, "sigmoid", 1.0, 1)
    p = problem(workload, np.float32)
    taken = []
    for peer in (ours, jax_vmap):
        start = time.process_time()
        peer(p.copy(), 1000).run(2000)
        taken.append(time.process_time() - start)
    return taken


def main():
    """Measure as the options say; print and write the microseconds of a step of one net."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"nets, of {','.join(NETS)}")
    parser.add_argument("--dtypes", help="float32,float64")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds, of which the best counts")
    parser.add_argument("--quick", action="store_true", help="5 rounds, no torch, and no JSON file")
    options = parser.parse_args()
    results = {}
    for name in names_of(options.only, NETS, "net"):
        for dtype in names_of(options.dtypes, DTYPES, "dtype"):
            for M in MANY[name]:
                # torch.func takes a call for each operation of each step: of online nets that is minutes
                names = [peer for peer in PEERS if peer != "torch.func" or not (options.quick or name == "online")]
                times = measure(NETS[name], DTYPES[dtype], M, names, 5 if options.quick else options.rounds)
                results[f"{name} {dtype} {M}"] = times
                shown = "  ".join(f"{peer} {t:.4g}" for peer, t in times.items())
                rival = min(t for peer, t in times.items() if not peer.startswith("ours") and "one order" not in peer)
                print(f"{NETS[name]} {dtype}, {M} nets: {shown}  ratio {rival / times['ours']:.2f}", flush=True)
    results["xor"] = dict(zip(("ours", "jax vmap"), xor(), strict=True))
    print("1,000 nets 2-2-1 of exclusive or, 2,000 epochs, seconds:", results["xor"])
    if not (options.quick or options.only or options.dtypes):
        write("many", results)


if __name__ == "__main__":
    main()
