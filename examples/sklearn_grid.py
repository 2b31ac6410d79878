"""Which activation does a grid search choose, and what do the nets that it tried look like inside?

It needs scikit-learn: pip install scikit-learn. Run it as it is to see the picture, or with a file name to save it:
python examples/sklearn_grid.py picture.png
"""

# %% The digits, and a pipeline of scikit-learn's around a net of minigrad's
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg
import minigrad.diagnostics as dg

try:
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from minigrad.bridges.sklearn import MLPClassifier
except ImportError as error:
    raise SystemExit(f"This example needs sklearn ({error}): pip install scikit-learn") from None

x, y, x_test, y_test = mg.datasets.load("digits")
net = MLPClassifier((32, 32), batch_size=50, learning_rate_init=0.004, tol=0.01, n_iter_no_change=2, random_state=0)
model = make_pipeline(StandardScaler(), net)
names = ["sigmoid", "tanh", "relu", "gelu"]

# %% Every activation with two initialisations, each trained on three parts of the data
search = GridSearchCV(
    model, {"mlpclassifier__activation": names, "mlpclassifier__init": ["glorot_uniform", "he_normal"]}, cv=3
)
search.fit(x, y)
best = search.best_estimator_
print(f"best: {best[-1].activation}, {best[-1].init}; {best.score(x_test, y_test):.1%} of new digits right")

# %% net_ is a net of minigrad's: how many rows of the second layer's gradients have one sign, for single samples?
shares = []
for name in names:
    trained = model.set_params(mlpclassifier__activation=name).fit(x, y)
    bp = mg.backprop(trained[-1].net_, mg.CrossEntropyLoss(), trained[0].transform(x[:200]), y[:200])
    shares.append(dg.single_signed_share(bp.gradients["2"], per_sample=True))
    print(f"{name:8} {shares[-1]:4.0%} of the rows have one sign")

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharey=True)
table = np.array(search.cv_results_["mean_test_score"]).reshape(len(names), 2)
for column, (init, marker) in enumerate([("glorot_uniform", "o"), ("he_normal", "s")]):
    left.plot(
        table[:, column], range(4), marker, color="#444444", markerfacecolor="none" if column else None, label=init
    )
left.set(yticks=range(4), yticklabels=names, xlim=(0.9, 1), xlabel="right, mean of three folds")
left.set_title("what the search compares", loc="left")
left.invert_yaxis()
left.legend(frameon=False)
right.barh(range(4), shares, color="#444444", height=0.5)
right.set(xlabel="gradient rows of one sign, second layer", xlim=(0, 1))
right.set_title("what it does not see", loc="left")
show_or_save()
