"""Trains the spiral net with JAX, one compiled step a mini-batch: data file in, loss and accuracy out."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

data = np.load(sys.argv[1])
jax.config.update("jax_enable_x64", data["x"].dtype == np.float64)
x, y, lr = data["x"], data["y"], float(data["lr"])
params = [(jnp.array(data[f"{i}.weight"]), jnp.array(data[f"{i}.bias"])) for i in (0, 2, 4)]


def net(params, x):
    for weight, bias in params[:-1]:
        x = jnp.tanh(x @ weight.T + bias)
    weight, bias = params[-1]
    return x @ weight.T + bias


def mean_loss(params, x, y):
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(net(params, x)) * jax.nn.one_hot(y, 3, dtype=x.dtype), axis=1))


@jax.jit
def step(params, x, y):
    loss, gradients = jax.value_and_grad(mean_loss)(params, x, y)
    return jax.tree.map(lambda w, g: w - lr * g, params, gradients), loss


rng = np.random.default_rng(0)
for _ in range(int(data["epochs"])):
    losses = []
    for batch in rng.permutation(len(x)).reshape(-1, 32):
        params, loss = step(params, x[batch], y[batch])
        losses.append(loss)
accuracy = np.mean(np.argmax(net(params, data["x_test"]), axis=1) == data["y_test"])
print(sum(map(float, losses)) / len(losses), accuracy)
