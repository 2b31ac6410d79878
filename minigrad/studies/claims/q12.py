"""Q12: what helps."""

from ..finding import Picture, Words

WORDS = Words(
    id="Q12",
    kind="partly",
    verdict="All but momentum help here, and momentum does in a narrow valley. What matters first is the start: the "
    "same sigmoid net with the weights and biases that correspond to tanh's learns {start:.0f} times faster. Centring "
    "comes next; tanh has both from birth, a residual net gets round both.",
    deciding="{epochs[0]:.0f} epochs for plain sigmoid, {epochs[1]:.0f} with tanh's start, {epochs[2]:.0f} centred, "
    "{epochs[3]:.0f} with both",
    theorem="$sigma(z) = (1 + tanh(z/2))/2$, so each sigmoid net is a tanh net written with other weights: between "
    "hidden layers $W = 4V$, and $b$ is tanh's less half the row sums of $W$. The usual start is a tanh net with "
    "weights four times too small and with a large bias. There remains the price of the mean: the curvature along it "
    "is larger by up to $kappa = 1 + J r^2$, for $J$ units of mean/spread $r$. Gradient descent pays $kappa$ in "
    "steps, momentum its root; no fixed step sizes, one for each weight, lower it if the mean lies along all inputs "
    "alike, as it does behind sigmoids.",
    test="tests/theory/test_c9_tanh_twin.py tests/theory/test_c4_conditioning.py tests/theory/test_c11_diagonal.py",
    code="""\
import minigrad as mg

x, y, _, _ = mg.datasets.load("digits")
x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
sizes = [64, 32, 32, 32, 32, 32, 10]
for name, activation, init, lr in (("plain sigmoid", "sigmoid", "glorot_uniform", 3),
                                   ("with tanh's start", "sigmoid", "tanh_equivalent", 1),
                                   ("tanh", "tanh", "glorot_uniform", 0.3)):
    net = mg.mlp(sizes, activation, init, rng=0)
    history = mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr), x, y, epochs=100, rng=0,
                     callbacks=[lambda epoch, net, history: history.loss[-1] <= 0.1])
    print(f"{name}: {len(history)} epochs to a loss of {history.loss[-1]:.3f}")
""",
    pictures={
        "price_list": Picture(
            "Epochs until the training loss is {target}, each remedy with its own best learning rate, a dot for each "
            "seed. What plain sigmoid pays most for is its start: “sigmoid, tanh's start” changes nothing but the "
            "first weights and biases.",
            alt="Ten rows, each a bar with dots, the epochs on a logarithmic scale: {prices}.",
        ),
        "plateau": Picture(
            "The loss of four nets that differ in two things only. Bold: the first seed, thin: the others; dashed: "
            "started like tanh; dotted: the target. Plain sigmoid first sits at the loss of guessing: next to no "
            "error reaches its lower layers.",
            alt="Four lines of loss over epochs. Plain sigmoid is still at {guessing:.2f} after {waits} epochs and "
            "takes {epochs[0]:.0f} to {target}; centred takes {epochs[2]:.0f}, started like tanh {epochs[1]:.0f}, "
            "with both {epochs[3]:.0f}.",
        ),
    },
    caveat="Measured with {depth} hidden layers of {width}; with one or two the prices lie close together. Epochs are "
    "not seconds: one with BatchNorm costs more. With momentum 0.9 the best learning rate is ten times smaller, so "
    "little is won on a plateau. Speed on the training data says nothing about new data.",
)
