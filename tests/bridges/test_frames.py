"""Frames and series of pandas and polars as x and y: the same bits as arrays, and what they cannot be, by column."""

import subprocess
import sys

import numpy as np
import pytest
from advice import mend, refusal
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg

CE, MSE = mg.CrossEntropyLoss(), mg.MSELoss()
COLUMNS = {"a": [1.0, 2.5, -3.0, 4.0], "b": [4, 3, 2, 1], "c": [True, False, True, True]}
X = np.column_stack([np.array(values, float) for values in COLUMNS.values()])
Y = np.array([0, 1, 1, 0])


@pytest.fixture(scope="module")
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def pl():
    return pytest.importorskip("polars")


def net(K=2, dtype="float64"):
    return mg.mlp([3, 4, K], "tanh", rng=0, dtype=dtype)


def frames(library):
    """Frames of these numbers, in every type that a column of them can have."""
    if library == "polars":
        pl = pytest.importorskip("polars")
        frame = pl.DataFrame(COLUMNS)
        return [frame, frame.with_columns(pl.col("b").cast(pl.UInt8), pl.col("a").cast(pl.Float32)), frame.rechunk()]
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(COLUMNS)
    nullable = frame.astype({"a": "Float64", "b": "Int64", "c": "boolean"})
    found = [
        frame,
        nullable,
        nullable.astype({"a": "Float32", "b": "UInt8"}),
        frame.astype(float),
        frame.set_index([[7, 7, 9, 3]]),
    ]
    if pytest.importorskip("pyarrow"):
        found.append(frame.convert_dtypes(dtype_backend="pyarrow"))
    return found


def series(library):
    """Class numbers in every type that holds them."""
    if library == "polars":
        pl = pytest.importorskip("polars")
        return [pl.Series(Y), pl.Series("y", Y, dtype=pl.UInt8), pl.Series(Y == 1)]
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    found = [pd.Series(Y, name="y", index=list("dcba")), pd.Index(Y), pd.array(Y, dtype="Int64")]
    return [*found, *(pd.Series(Y, dtype=dtype) for dtype in ("Int64", "UInt8", "boolean", "int32[pyarrow]", "bool"))]


# ---- the same bits as arrays -----------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_taken_as_arrays(library):
    expected = net()(X)
    pairs = mg.backprop(net(), CE, X, Y)
    for frame in frames(library):
        np.testing.assert_array_equal(net()(frame), expected)
        np.testing.assert_array_equal(
            mg.backprop(net(), CE, frame, Y).gradients["0"].weight, pairs.gradients["0"].weight
        )
        assert net(dtype="float32")(frame).dtype == np.float32


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_and_series_train_a_net(library):
    def trained(x, y):
        made = net()
        mg.fit(made, CE, mg.Adam(0.1), x, y, epochs=3, rng=0, validation=(x, y), progress=False)
        return made

    expected = trained(X, Y)
    for frame in frames(library):
        np.testing.assert_equal(trained(frame, Y).state_dict(), expected.state_dict())
    for column in series(library):
        np.testing.assert_equal(trained(X, column).state_dict(), expected.state_dict())
        assert mg.accuracy(expected(X), column) == mg.accuracy(expected(X), Y)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_numbers_to_be_met_may_be_a_frame(library):
    wanted = X[:, :2]
    for frame in frames(library):
        few = frame[["a", "b"]]
        assert MSE(net()(X), few) == MSE(net()(X), wanted)
        history = mg.fit(net(), MSE, mg.SGD(0.01), X, few, epochs=2, rng=0, progress=False)
        assert history.loss == mg.fit(net(), MSE, mg.SGD(0.01), X, wanted, epochs=2, rng=0, progress=False).loss


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_diagnose_takes_them(library):
    for frame in frames(library)[:2]:
        found = mg.diagnose(net(), CE, frame, series(library)[0], mg.SGD(0.1), trial=10)
        assert found.to_json() == mg.diagnose(net(), CE, X, Y, mg.SGD(0.1), trial=10).to_json()


@given(st.data())
def test_any_mixture_of_columns(data):
    """pandas and polars give the array that NumPy makes of the same columns."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    N, J = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    kinds = {
        "int": st.integers(-(2**40), 2**40),
        "float": st.floats(allow_nan=False, allow_infinity=False),
        "bool": st.booleans(),
    }
    columns = {}
    for j in range(J):
        kind = data.draw(st.sampled_from(list(kinds)))
        columns[f"c{j}"] = data.draw(st.lists(kinds[kind], min_size=N, max_size=N))
    expected = np.column_stack([np.array(values, float) for values in columns.values()])
    identity = mg.Sequential(mg.Identity())
    for frame in (
        pd.DataFrame(columns),
        pd.DataFrame(columns).convert_dtypes(),
        pl.DataFrame(columns),
    ):
        np.testing.assert_array_equal(identity(frame), expected)


def test_two_columns_of_one_name(pd):
    frame = pd.DataFrame(X, columns=["a", "a", "b"])
    np.testing.assert_array_equal(net()(frame), net()(X))


def test_neither_library_is_imported():
    code = "import sys, minigrad; assert not {'pandas', 'polars', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- what is refused, with the line that mends it --------------------------------------------------------


def bad_frames(library):
    """What the message says, and a frame of which it says so; its advice, taken, leaves something that is accepted."""
    if library == "polars":
        pl = pytest.importorskip("polars")
        frame, days = pl.DataFrame(COLUMNS), pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 4), eager=True)
        changed = {
            "missing values, first in row 2 of column 'b'": pl.Series("b", [4, 3, None, 1]),
            "missing values, first in row 0 of column 'a'": pl.Series("a", [None, 1.5, None, 1]),
            "columns that are no numbers: 'w' (String)": pl.Series("w", list("xyxz")),
            "'w' (Categorical": pl.Series("w", list("xyxz"), dtype=pl.Categorical),
            "'w' (Enum": pl.Series("w", list("xyxz"), dtype=pl.Enum(list("xyz"))),
            "'d' (Date)": days.alias("d"),
            "'t' (String)": pl.Series("t", ["1.5", "2", "3", "4"]),
            "'l' (List(Int64))": pl.Series("l", [[1], [2], [3, 4], []]),
        }
        return {words: frame.with_columns(column) for words, column in changed.items()}
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    changed = {
        "missing values, first in row 2 of column 'b'": {"b": pd.array([4, 3, None, 1], dtype="Int64")},
        "missing values, first in row 1 of column 'b'": {"b": pd.array([4, None, 3, 1], dtype="int64[pyarrow]")},
        "missing values, first in row 3 of column 'a'": {"a": [1.0, 2, 3, np.nan]},
        "missing values, first in row 0 of column 'c'": {"c": pd.array([None, True, True, False], dtype="boolean")},
        "columns that are no numbers: 'w' (": {"w": list("xyxz")},
        "columns that are no numbers: 'w' (category)": {"w": pd.Categorical(list("xyxz"))},
        "'w' (category), 'v' (object)": {"w": pd.Categorical([1, 2, 1, 3]), "v": np.array(["x", 1, 2, 3], object)},
        "'w' (string": {"w": pd.array(["x", "y", None, "x"], dtype="string[pyarrow]")},
        "'d' (datetime64": {"d": pd.date_range("2024", periods=4)},
        "'t' (": {"t": ["1.5", "2", "3", "4"]},
        "'l' (object)": {"l": [[1], [2], [3, 4], []]},
    }
    return {words: pd.DataFrame(COLUMNS).assign(**columns) for words, columns in changed.items()}


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_that_are_no_numbers_and_missing_values_are_named(library, monkeypatch):
    module = pytest.importorskip(library)
    short = "pd" if library == "pandas" else "pl"
    monkeypatch.setattr("advice.eval", lambda line, names: eval(line, names | {short: module}), raising=False)
    identity = mg.Sequential(mg.Identity())
    for words, frame in bad_frames(library).items():
        mended = identity(mend(identity, "x", frame, words))
        assert len(mended) == 4
        assert np.isfinite(mended).all()
        error = refusal(lambda x: mg.fit(net(), CE, mg.SGD(0.1), x, Y, epochs=1), frame)
        assert words in str(error)


def test_numbers_in_words_are_made_numbers_and_words_one_hot(pd, pl):
    words = pd.DataFrame({"t": ["1.5", "2"]})
    assert "; use x.astype(float)" in str(refusal(mg.Sequential(mg.Identity()), words))
    words = pl.DataFrame({"t": ["1.5", "2"]})
    assert "; use x.cast(pl.Float64)" in str(refusal(mg.Sequential(mg.Identity()), words))
    for frame in (pd.DataFrame({"t": list("xy")}), pl.DataFrame({"t": list("xy")})):
        assert "dummies(" in str(refusal(mg.Sequential(mg.Identity()), frame))


def test_a_column_of_very_many_words_is_not_made_inputs(pd, pl):
    """One-hot, they would take memory by their square."""
    columns = {"word": [f"w{i}" for i in range(101)], "a": list(range(101))}
    for frame in (pd.DataFrame(columns), pl.DataFrame(columns)):
        error = str(refusal(mg.Sequential(mg.Identity()), frame))
        assert "dummies" not in error
        assert "; use x.select" in error


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_targets_of_words_get_the_line_that_numbers_them(library):
    module = pytest.importorskip(library)
    words = ["p", "q", "q", "p"]
    for column in (
        module.Series(words),
        module.Series(words, dtype="category" if library == "pandas" else module.Categorical),
    ):
        error = refusal(lambda y: mg.fit(net(), CE, mg.SGD(0.1), X, y, epochs=1), column)
        assert str(error).endswith("; use np.unique(y, return_inverse=True)[1]")
        made = mend(lambda y: CE(net()(X), y), "y", column, "expected class numbers")
        assert made.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_missing_target_is_named(library):
    module = pytest.importorskip(library)
    dtype = "Int64" if library == "pandas" else module.Int64
    column = module.Series([0, 1, None, 0], dtype=dtype)
    before = net().state_dict()
    made = net()
    error = refusal(lambda y: mg.fit(made, CE, mg.SGD(0.1), X, y, epochs=1), column)
    assert str(error) == "y holds missing values, first in row 2"
    np.testing.assert_equal(made.state_dict(), before)
    frame = module.DataFrame({"a": [1.0, 2, 3, 4], "b": [1.0, None, 3, 4]})
    assert str(refusal(lambda y: MSE(net()(X), y), frame)) == "y holds missing values, first in row 1 of column 'b'"


def test_a_frame_that_is_not_computed_yet(pl):
    lazy = pl.DataFrame(COLUMNS).lazy()
    error = refusal(net(), lazy)
    assert "; use x.collect()" in str(error)
    np.testing.assert_array_equal(net()(lazy.collect()), net()(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_and_words_that_look_like_code_are_not_run(library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module, code = pytest.importorskip(library), "__import__('os').mkdir('executed')"
    frame = module.DataFrame({code: ["a", code], "{a}; use " + code: [code, "b"], "n": [1, 2]})
    error = refusal(mg.Sequential(mg.Identity()), frame)
    assert "no numbers" in str(error)
    found = mg.diagnose(mg.mlp([3, 2]), CE, frame, [0, 1]).findings[0]
    found.apply()
    assert list(tmp_path.iterdir()) == []
