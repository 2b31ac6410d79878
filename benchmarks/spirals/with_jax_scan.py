"""Trains the spiral net with JAX, all in one compiled lax.scan: data file in, loss and accuracy out."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

data = np.load(sys.argv[1])
jax.config.update("jax_enable_x64", data["x"].dtype == np.float64)
lr = float(data["lr"])
params = [(jnp.array(data[f"{i}.weight"]), jnp.array(data[f"{i}.bias"])) for i in (0, 2, 4)]


def net(params, x):
    for weight, bias in params[:-1]:
        x = jnp.tanh(x @ weight.T + bias)
    weight, bias = params[-1]
    return x @ weight.T + bias


def mean_loss(params, x, y):
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(net(params, x)) * y, axis=1))


@jax.jit
def train(params, orders, x, y):
    def step(params, batch):
        loss, gradients = jax.value_and_grad(mean_loss)(params, x[batch], y[batch])
        return jax.tree.map(lambda w, g: w - lr * g, params, gradients), loss

    return jax.lax.scan(step, params, orders)


rng, x = np.random.default_rng(0), data["x"]
orders = [rng.permutation(len(x)).reshape(-1, 32) for _ in range(int(data["epochs"]))]
params, losses = train(params, np.concatenate(orders).astype(np.int32), x, np.eye(3, dtype=x.dtype)[data["y"]])
accuracy = np.mean(np.argmax(net(params, data["x_test"]), axis=1) == data["y_test"])
print(float(np.mean(losses[-len(orders[0]) :])), accuracy)
