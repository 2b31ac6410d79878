"""Messages that advise a line of code: the line is taken out of the message and run, and then the call works."""

import datetime
import inspect
import re
from fractions import Fraction

import foreign_objects
import numpy as np
import pytest
from advice import advised, mend, refusal
from oracles import snapshot

import minigrad as mg
from minigrad import diagnostics as dg

X = np.random.default_rng(0).standard_normal((6, 3)).round(3)
Y = np.array([0, 1, 2, 1, 0, 2])
TWO = Y % 2
CE, MSE, LOGITS = mg.CrossEntropyLoss(), mg.MSELoss(), mg.BCEWithLogitsLoss()

# ---- arrays ----------------------------------------------------------------------------------------------------

Tensor, Column = foreign_objects.Tensor, foreign_objects.Column
RECORDS = np.array([tuple(row) for row in X], [("a", float), ("b", float), ("c", np.float32)])
ARRAYS = {  # what comes as x, which should be (6, 3), and what the message says of it
    "half floats": (X.astype(np.float16), "dtype float16, expected float32, float64 or integers; use x.astype(float)"),
    "long floats": (X.astype(np.longdouble), "use x.astype(float)"),
    "truth values": (X > 0, "x has dtype bool"),
    "a list of truth values": ((X > 0).tolist(), "; use np.asarray(x, float)"),
    "objects": (X.astype(object), "x has dtype object"),
    "a list of fractions": ([[Fraction(v) for v in row] for row in X], "; use np.asarray(x, float)"),
    "huge integers": ([[2**64, 1, 2]], "x has dtype object"),
    "numbers as text": (X.astype(str), "; use x.astype(float)"),
    "a list of text": (X.astype(str).tolist(), "; use np.asarray(x, float)"),
    "numbers as bytes": (X.astype("S"), "; use x.astype(float)"),
    "times": (np.array([[1, 2, 3]], "M8[D]"), "np.timedelta64(1, 'D')"),
    "durations": (np.array([[1, 2, 3]], "m8[h]"), "; use x / np.timedelta64(1, 'D')"),
    "records": (RECORDS, "x has the fields ['a', 'b', 'c']"),
    "a nullable table": (Column(X), "x has dtype object, expected float32, float64 or integers; use x.to_numpy(float)"),
    "bfloat16": (Tensor(X), "x is a foreign_objects.Tensor of bfloat16 on cpu, which NumPy cannot read; use x.float()"),
    "a tensor in training": (Tensor(X, "float32", requires_grad=True), "that requires grad, .*use x.detach()"),
    "a tensor elsewhere": (Tensor(X, "float32", "cuda:0"), "float32 on cuda:0, which NumPy cannot read; use x.cpu()"),
    "all of this": (Tensor(X, "bfloat16", "cuda:0", True), "use x.detach().cpu().to_dense().float()"),
    "a list of tensors": ([Tensor(row) for row in X], "x[0] is a foreign_objects.Tensor of bfloat16"),
    "a list of trained tensors": (
        [Tensor(X[n], "float32", requires_grad=n == 1) for n in range(6)], "x[1] is a foreign_objects.Tensor of float32"
    ),
    "a sparse matrix": (foreign_objects.Sparse(X), "x is a foreign_objects.Sparse, expected an array; use x.toarray()"),
    "a generator": (lambda: (row for row in X), "x is a generator, expected an array; use np.array(list(x))"),
    "an iterator": (lambda: iter(X.tolist()), "x is a list_iterator, expected an array"),
    "values of a dict": (dict(enumerate(X)).values(), "x is a dict_values"),
    "a dict of columns": (dict(zip("abc", X.T, strict=True)), "x is a dict, expected an array"),
    "one sample": (X[0], "x has shape (3,), expected (N, 3); use x[None, :] for one sample"),
    "a list for one sample": ([1, 2, 3], "; use np.asarray(x)[None, :] for one sample"),
    "a column": (Column(X[0]), "x has dtype object"),
    "transposed": (X.T, "x has shape (3, 6), expected (N, 3); use x.T if its columns are the samples"),
    "images": (X[:, :, None], "x has shape (6, 3, 1), expected (N, 3); use x.reshape(len(x), -1)"),
    "a list of images": (X[:, :, None].tolist(), "; use np.reshape(x, (len(x), -1))"),
}  # fmt: skip
NET = mg.mlp([3, 4, 3], rng=0)
X_CALLS = {
    "net(x)": lambda x: NET(x),
    "backprop": lambda x: mg.backprop(NET, CE, x, np.zeros(np.shape(x)[0], int)),
    "fit": lambda x: mg.fit(NET, CE, mg.SGD(0.1), x, [0] * np.shape(x)[0], epochs=0, progress=False),
    "saturation": lambda x: dg.saturation(NET, x),
}


def built(value):
    """What can be read only once is made anew for each test, by a function."""
    return value() if inspect.isfunction(value) else value


@pytest.mark.parametrize("case", ARRAYS)
def test_what_is_advised_for_x_works(case):
    value, fragment = ARRAYS[case]
    value = built(value)
    first, *rest = fragment.split(".*")
    mended = mend(X_CALLS["net(x)"], "x", value, first)
    for call in X_CALLS.values():
        call(mended)
    assert np.asarray(mended).shape[1] == 3
    if case not in ("a generator", "an iterator"):  # which the line has used up
        assert all(words in str(refusal(NET, value)) for words in rest)


def test_an_iterator_is_refused_before_it_is_used_up():
    rows = iter(X.tolist())
    assert advised(refusal(NET, rows)) == ["np.array(list(x))"]
    assert len(list(rows)) == 6


HOPELESS = {  # no line makes x of these: the message says why, and advises nothing
    "words": ([["a", "1", "2"]], "x has dtype <U1, expected float32, float64 or integers; entry [0, 0] is 'a'"),
    "one word": ([*X.astype(str).tolist()[:5], ["1", "2", "b"]], "; entry [5, 2] is 'b'"),
    "a column of words": (Column([[1, "setosa", 2]]), "x has dtype object, .*; entry [0, 1] is 'setosa'"),
    "a missing entry": ([[1, 2, None]], "; entry [0, 2] is None"),
    "NaN among objects": (Column([[1, np.nan, 2]]), "; entry [0, 1] is nan"),
    "dates among numbers": ([[1, datetime.date(2020, 1, 1), 2]], "; entry [0, 1] is datetime.date(2020, 1, 1)"),
    "beyond all floats": ([[1, 10**400, 2]], "; entry [0, 1] is 1000"),
    "complex": (X + 1j, "x has dtype complex128, expected float32, float64 or integers"),
    "complex objects": ((X + 1j).astype(object), "x has dtype object"),
    "meta": (Tensor(X, "float32", "meta"), "x is a foreign_objects.Tensor of float32 on meta, which NumPy cannot read"),
    "ragged": ([[1, 2, 3], [4, 5]], "x is not a rectangular array: x[0] has shape (3,), x[1] has shape (2,)"),
    "ragged inside": ([[[1], [2, 3]]], "x[0] is not a rectangular array: x[0][0] has shape (1,), x[0][1] has"),
    "ragged arrays": ([X[:, :2], X], "x is not a rectangular array: x[0] has shape (6, 2), x[1] has shape (6, 3)"),
    "a number among rows": ([[1, 2], 3], "x is not a rectangular array: x[0] has shape (2,), x[1] has shape ()"),
    "None among rows": ([[1, 2, 3], None], "x[1] is None, expected an array"),
    "masked": (np.ma.masked_less(X, 0), "x is a masked array; fill or drop its masked entries first"),
    "masked rows": ([np.ma.masked_less(row, 0) for row in X], "x is a masked array"),
    "None": (None, "x is None, expected an array"),
    "a word": ("digits", "x is 'digits', expected an array"),
    "bytes": (b"\0\1", r"x is b'\x00\x01', expected an array"),
    "a set": ({1, 2}, "x is a set, expected an array"),
    "a function": (len, "x is a builtin_function_or_method, expected an array"),
    "a class": (dict, "x is the class dict, expected an array"),
    "a net": (NET, "x has dtype object, expected float32, float64 or integers; entry [0] is Linear(3, 4)"),
    "a number": (1.0, "x has shape (), expected (N, 3)"),
    "another width": (X[:, :2], "x has shape (6, 2), expected (N, 3)"),
    "one sample of another width": (X[0, :2], "x has shape (2,), expected (N, 3)"),
    "images of another size": (X.reshape(3, 3, 2), "x has shape (3, 3, 2), expected (N, 3)"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOPELESS)
def test_where_no_line_works_none_is_advised(case):
    value, fragment = HOPELESS[case]
    error = refusal(NET, value)
    assert all(words in str(error) for words in fragment.split(".*")), str(error)
    assert "; use" not in str(error)


def test_a_list_that_holds_itself():
    rows = []
    rows.append(rows)
    assert str(refusal(NET, rows)) == "x is a list that holds itself, expected an array"


def test_advice_changes_nothing_and_warns_of_nothing(recwarn):
    """Lines are tried on the caller's own thing: only what says that it is an array may be asked to convert itself."""

    class Model:
        called = False

        def float(self):
            self.called = True

        detach = cpu = float

    model, kept = Model(), X.astype(np.complex128).astype(object)
    assert "expected an array" in str(refusal(NET, model))
    assert not model.called
    before = kept.copy()
    assert "; use" not in str(refusal(NET, kept))  # it would lose the imaginary part, with a warning
    assert (kept == before).all()
    assert recwarn.list == []


# ---- targets ---------------------------------------------------------------------------------------------------

WORDS = np.array(["cat", "dog", "eel"])
CLASSES = {  # what comes as y, for three classes
    "words": (WORDS[Y], "expected class numbers as integers; use np.unique(y, return_inverse=True)[1]"),
    "a list of words": (WORDS[Y].tolist(), "; use np.unique(y, return_inverse=True)[1]"),
    "bytes": (WORDS[Y].astype("S"), "; use np.unique("),
    "objects that are words": (Column(WORDS[Y]), "y has dtype object"),
    "a column of words": (WORDS[Y][:, None], "y has shape (6, 1), expected (6,) class numbers"),
    "digits as text": (Y.astype(str), "; use y.astype(int)"),
    "whole floats": (Y * 1.0, "y has dtype float64, expected class numbers as integers; use y.astype(int)"),
    "a list of floats": ((Y * 1.0).tolist(), "; use np.asarray(y, int)"),
    "nullable integers": (Column(Y), "y has dtype object, expected class numbers as integers; use y.astype(int)"),
    "a column": (Y[:, None], "y has shape (6, 1), expected (6,) class numbers; use y[:, 0]"),
    "a list of columns": (Y[:, None].tolist(), "; use np.asarray(y)[:, 0]"),
    "a table of one column": (Column(Y[:, None]), "; use np.asarray(y, int)[:, 0]"),
    "a column of floats": (Y[:, None] * 1.0, "; use y[:, 0].astype(int)"),
    "from 1": (Y + 1, "y holds class numbers from 1 to 3, expected 0 to 2; use y - 1"),
    "a list from 1": ((Y + 1).tolist(), "; use np.asarray(y, int) - 1"),
    "small unsigned, from 1": ((Y + 1).astype(np.uint8), "; use y - 1"),
    "floats from 1": (Y + 1.0, "; use np.asarray(y, int) - 1"),
    "labels around 0": (Y - 1, "y holds class numbers from -1 to 1, expected 0 to 2; use np.unique("),
    "gaps": (10 * Y, "y holds class numbers from 0 to 20, expected 0 to 2; use np.unique("),
    "truth values of three classes": (Y > 0, "y has dtype bool"),
    "one-hot columns": (np.eye(3)[Y].T, "y has shape (3, 6), expected (6, 3) as the output; use y.T"),
    "one-hot objects": (np.eye(3)[Y].astype(object), "y has dtype object"),
    "bfloat16": (Tensor(Y), "y is a foreign_objects.Tensor of bfloat16 on cpu, which NumPy cannot read; use y.float()"),
    "a generator": (lambda: (int(label) for label in Y), "y is a generator, expected an array; use np.array(list(y))"),
}  # fmt: skip
NUMBERS = {  # what comes as y, the outputs, the losses that refuse it
    "flat": (TWO, 1, "y has shape (6,), expected (6, 1) as the output; use y[:, None]", (MSE, LOGITS)),
    "a flat list": (TWO.tolist(), 1, "; use np.asarray(y)[:, None]", (MSE, LOGITS)),
    "a flat column": (Column(TWO), 1, "y has dtype object", (MSE, LOGITS)),
    "flat truth values": (TWO > 0, 1, "; use y[:, None]", (MSE, LOGITS)),
    "two words": (WORDS[TWO], 1, "; use np.unique(y, return_inverse=True)[1][:, None]", (MSE, LOGITS)),
    "three words": (WORDS[Y], 3, "; use np.eye(3)[np.unique(y, return_inverse=True)[1]]", (MSE, LOGITS)),
    "two words of two outputs": (WORDS[TWO], 2, "; use np.eye(2)[np.unique(y, return_inverse=True)[1]]", (MSE, LOGITS)),
    "class numbers of two outputs": (TWO, 2, "; use np.eye(2)[y]", (MSE, LOGITS)),
    "class numbers": (Y, 3, "y has shape (6,), expected (6, 3) as the output; use np.eye(3)[y]", (MSE, LOGITS)),
    "a list of classes": (Y.tolist(), 3, "; use np.eye(3)[y]", (MSE, LOGITS)),
    "a column of classes": (Y[:, None], 3, "; use np.eye(3)[np.ravel(y)]", (MSE, LOGITS)),
    "half floats": (np.eye(3, dtype=np.float16)[Y], 3, "y has dtype float16", (MSE, LOGITS)),
    "transposed": (np.eye(3)[Y].T, 3, "; use y.T", (MSE, LOGITS)),
    "transposed integers": (np.eye(3, dtype=int)[Y].T, 3, "; use y.T", (MSE, LOGITS)),
    "minus and plus one": (2 * TWO[:, None] - 1, 1, "y reaches from -1 to 1, expected numbers in [0, 1]", (LOGITS,)),
    "minus and plus one, flat": (2.0 * TWO - 1, 1, "; use (y[:, None] + 1) / 2", (LOGITS,)),
    "a list of these": ((2 * TWO[:, None] - 1).tolist(), 1, "; use (np.asarray(y) + 1) / 2", (LOGITS,)),
    "one and two": (TWO[:, None] + 1, 1, "y reaches from 1 to 2, expected numbers in [0, 1]; use y - 1", (LOGITS,)),
    "a tensor in training": (Tensor(TWO[:, None], "float32", requires_grad=True), 1, "; use y.detach()", (MSE, LOGITS)),
}  # fmt: skip
TARGETS = [(f"{case}, CE", y, 3, words, CE) for case, (y, words) in CLASSES.items()]
TARGETS += [(f"{c}, {loss!r}", y, K, words, loss) for c, (y, K, words, losses) in NUMBERS.items() for loss in losses]


@pytest.mark.parametrize(("y", "K", "words", "loss"), [t[1:] for t in TARGETS], ids=[t[0] for t in TARGETS])
def test_what_is_advised_for_y_works(y, K, words, loss):
    output, net = np.random.default_rng(1).standard_normal((6, K)), mg.mlp([3, K], rng=0)
    mended = mend(lambda y: loss(output, y), "y", built(y), words)
    before = snapshot(net)
    mg.backprop(net, loss, X, mended)
    mg.fit(net, loss, mg.SGD(0.1), X, mended, epochs=0, progress=False)
    assert 0 <= mg.accuracy(output, mended, loss.threshold or 0.0) <= 1
    assert snapshot(net) == before
    if y is not CLASSES["truth values of three classes"][0]:
        got = np.asarray(mended)
        got = got if got.ndim == 1 else got.argmax(axis=1) if K > 1 else got[:, 0]
        np.testing.assert_array_equal(got, Y if K == 3 else TWO)  # the same classes, not only some that fit


HOPELESS_TARGETS = {  # y, the outputs, the losses, what the message says
    "too many words": (WORDS[Y], 2, CE, "y has dtype <U3, expected class numbers as integers; it holds 3 classes, the"),
    "too many classes": (Y, 2, CE, "y holds class numbers from 0 to 2, expected 0 to 1"),
    "no class numbers": (X[:, 0], 3, CE, f"y has dtype float64, .*; entry 0 is {X[0, 0]}"),
    "fractions that would round to classes": ([0.5, 1.5, 2.5, 0, 1, 2], 3, CE, "; entry 0 is 0.5"),
    "a column of fractions": ([[0.5], [1.5], [2.5], [0], [1], [2]], 3, CE, "y has shape (6, 1), expected (6,) class"),
    "labels below 0": (Y - 1, 3, MSE, "y has shape (6,), expected (6, 3) as the output"),
    "NaN": ([0, np.nan, 2, 1, 0, 2], 3, CE, "; entry 1 is nan"),
    "infinity": ([0, np.inf, 2, 1, 0, 2], 3, CE, "; entry 1 is inf"),
    "None": ([0, None, 2, 1, 0, 2], 3, CE, "y has dtype object, expected class numbers as integers; entry 1 is None"),
    "None among words": (["a", None] * 3, 3, CE, "; entry 1 is None"),
    "fractions as objects": (Column(X[:, 0]), 3, CE, f"; entry 0 is {X[0, 0]}"),
    "complex": (Y + 0j, 3, CE, "y has dtype complex128, expected class numbers as integers"),
    "times": (Y.astype("M8[D]"), 3, CE, "y has dtype datetime64[D], expected class numbers as integers"),
    "another length": (Y[:4], 3, CE, "y has shape (4,), expected (6,) class numbers or (6, 3) probabilities"),
    "no probabilities": (np.ones((6, 3)), 3, CE, "Classes that do not exclude one another are for BCEWithLogitsLoss"),
    "a square of such columns": (np.eye(6)[:, :1] * np.ones(6), 6, CE, "y holds rows that are no probabilities"),
    "three words of one output": (WORDS[Y], 1, LOGITS, "y has dtype <U3, expected float32, .*; entry [0] is 'cat'"),
    "None of numbers": ([[0], [None]] * 3, 1, LOGITS, "y has dtype object, .*; entry [1, 0] is None"),
    "one word only": (WORDS[0 * Y], 1, LOGITS, "y has dtype <U3, expected float32, .*; entry [0] is 'cat'"),
    "out of reach": (3 * TWO[:, None], 1, LOGITS, "y reaches from 0 to 3, expected numbers in [0, 1]"),
    "another length of numbers": (TWO[:4], 1, MSE, "y has shape (4,), expected (6, 1) as the output"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOPELESS_TARGETS)
def test_where_no_line_works_for_y_none_is_advised(case):
    y, K, loss, fragment = HOPELESS_TARGETS[case]
    output = np.zeros((6, K))
    for call in (lambda: loss(output, y), lambda: mg.backprop(mg.mlp([3, K]), loss, X, y)):
        error = refusal(lambda _, call=call: call(), None)
        assert all(words in str(error) for words in fragment.split(".*")), str(error)
        assert "; use" not in str(error)
    if loss is not MSE:  # accuracy says the same
        assert str(refusal(lambda y: mg.accuracy(output, y), y)) == str(error)


@pytest.mark.parametrize("loss", [MSE, LOGITS, CE], ids=repr)
def test_a_y_that_holds_itself_is_refused_by_name(loss):
    y = []
    y.append(y)
    assert str(refusal(lambda y: loss(np.zeros((6, 2)), y), y)) == "y is a list that holds itself, expected an array"


@pytest.mark.parametrize("labels", [[-1, 1], [1, 2]])
def test_labels_that_the_loss_takes_as_they_are_get_their_axis_only(labels):
    y = np.array(labels)[TWO]
    assert advised(refusal(lambda y: MSE(np.zeros((6, 1)), y), y)) == ["y[:, None]"]


def test_numbers_that_are_no_probabilities_are_not_counted_anew():
    assert advised(refusal(lambda y: LOGITS(np.zeros((6, 1)), y), 3 * TWO)) == []


def test_what_is_advised_where_there_are_positions():
    y, one, three = np.arange(12).reshape(6, 2) % 2, np.zeros((6, 2, 1)), np.zeros((6, 2, 3))
    for call in (lambda y: MSE(one, y), lambda y: LOGITS(one, y)):
        assert advised(refusal(call, y)) == ["y[..., None]"]
    assert advised(refusal(lambda y: LOGITS(one, y), 2 * y - 1)) == ["(y[..., None] + 1) / 2"]
    assert advised(refusal(lambda y: mg.accuracy(one, y), 2 * y - 1)) == ["(y[..., None] + 1) / 2"]
    assert advised(refusal(lambda y: MSE(three, y), y)) == ["np.eye(3)[y]"]
    assert advised(refusal(lambda y: CE(three, y), y[..., None])) == ["y[..., 0]"]


def test_validation_is_advised_under_its_own_name():
    flat = lambda value: mg.fit(NET, CE, mg.SGD(1.0), X, Y, validation=(value, Y[:1]), epochs=0, progress=False)  # noqa: E731
    error = refusal(flat, X[0])
    assert str(error).startswith("validation x has shape (3,)")
    (line,) = advised(error)
    flat(eval(line, {"x": X[0]}))


def test_both_remedies_for_one_output_and_classes():
    for y in (np.zeros(6, int), TWO, TWO[:, None], np.ones((6, 1))):
        for call in (
            lambda y: CE(np.zeros((6, 1)), y),
            lambda y: mg.fit(mg.mlp([3, 1]), CE, mg.SGD(0.1), X, y, epochs=1, progress=False),
        ):
            error = refusal(call, y)
            assert re.match(r"output has shape \(6, 1\), but CrossEntropyLoss needs an output for each", str(error))
    advice = "Give the net two outputs, or use BCEWithLogitsLoss() with y (N, 1) in [0, 1]"
    assert str(error).endswith(advice)
    assert mg.fit(mg.mlp([3, 2]), CE, mg.SGD(0.1), X, TWO, epochs=1, progress=False).loss[0] > 0
    mg.fit(mg.mlp([3, 1]), mg.BCEWithLogitsLoss(), mg.SGD(0.1), X, TWO[:, None], epochs=1, progress=False)


def test_the_line_is_the_error_s_own_and_never_read_from_the_data():
    """A label may quote what looks like advice; diagnose runs the line that was given, not the one in the message."""
    import minigrad as mg

    x = np.random.default_rng(0).standard_normal((60, 3)).astype(object)
    x[0, 1] = "; use __import__('sys').exit(3) if its"
    found = mg.diagnose(mg.mlp([3, 4, 2], rng=0), mg.CrossEntropyLoss(), x, np.arange(60) % 2).findings[0]
    assert "exit(3)" in str(refusal(X_CALLS["net(x)"], x[:, :3]))  # it is quoted
    assert (found.name, found.apply, found.code) == ("input_shape", None, "")
