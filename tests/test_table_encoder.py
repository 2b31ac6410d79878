"""A table as numbers for a net, and outputs as answers: columns, target, rows to test on, missing values."""

import functools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import FLOWERS, loaded

from minigrad.datasets import load_table, read_table
from minigrad.datasets.features import Boolean, Category, Classes, Number, Numbers


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.fixture
def load(tmp_path):
    """load(text, target, ...) -> what load_table makes of a file with this text, without a part to test on."""
    return functools.partial(loaded, tmp_path)


def rows(n, cell):
    return "".join(f"{cell(i)}\n" for i in range(n))


# ---- the inputs ------------------------------------------------------------------------------------------


def test_each_kind_of_column(load):
    """By hand: mean 4 and variance (9 + 4 + 0 + 25) / 4."""
    x, y, x_test, y_test, encoder = load(FLOWERS, "kind")
    size = (np.array([1, 2, 4, 9]) - 4) / np.sqrt(38 / 4)
    blue_red_white = [[0, 1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    np.testing.assert_allclose(x, np.column_stack([size, blue_red_white, [1, 0, 1, 1]]), rtol=1e-15)
    assert y.tolist() == [1, 1, 0, 0]
    assert y.dtype == np.int64
    assert (x_test.shape, y_test.shape) == ((0, 5), (0,))
    assert (encoder.width, encoder.outputs) == (5, 2)
    colour = Category("colour", ("blue", "red", "white"), "red")
    assert encoder.features == (Number("size", 4.0, np.sqrt(38 / 4)), colour, Boolean("wild", True))
    assert encoder.target == Classes("kind", ("lily", "rose"))


def test_columns_are_found_by_name_to_the_bit(load, written):
    x, y, _, _, encoder = load(FLOWERS, "kind")
    cells = [line.split(",") for line in FLOWERS.splitlines()]
    for order in ([3, 2, 1, 0], [1, 3, 0, 2]):
        other = "\n".join("; ".join(["more", *(row[i] for i in order)]) for row in cells)
        table = encoder.read(written(other, "other.csv"))
        np.testing.assert_array_equal(encoder.inputs(table), x)
        np.testing.assert_array_equal(encoder.targets(table), y)
        assert encoder.unused(table) == ["more", "kind"]


def test_columns_that_tell_nothing_are_left_out(load):
    with pytest.warns(UserWarning, match="same in all rows to train on: 'one', 'word', 'yes'$"):
        encoder = load("a,one,word,yes,y\n1,7,w,true,p\n2,7,w,True,q\n", "y")[-1]
    assert [feature.name for feature in encoder.features] == ["a"]


def test_columns_can_be_ignored(load):
    encoder = load(FLOWERS, "kind", ignore=["colour", "wild"])[-1]
    assert [feature.name for feature in encoder.features] == ["size"]


def test_text_stays_text_where_all_of_it_looks_like_numbers(load, written):
    """A house number "7a" made the column text; later there are only plain ones."""
    with pytest.warns(UserWarning, match="most look like numbers, but '7a' is none"):
        encoder = load("house,y\n7a,p\n07,q\n7a,p\n7,q\n", "y")[-1]
    table = encoder.read(written("house\n07\n7\n", "new.csv"))
    values = encoder.features[0].values
    expected = [[float(value == cell) for value in values] for cell in ("07", "7")]
    assert encoder.inputs(table).tolist() == expected
    with pytest.raises(ValueError, match=r"use read_table\(path, text=\['house'\]\)"):
        encoder.inputs(read_table(written("house\n07\n7\n", "new.csv")))


# ---- the target ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "b", "a"], ("a", "b")),
        (["true", "false", "true", "false"], ("false", "true")),
        (["10", "9", "10", "9"], ("9", "10")),
        (["0", "1", "1.0", "0.0"], ("0", "1")),
        (["-1", "1", "1", "-1"], ("-1", "1")),
        (["a", "1", "a", "1"], ("1", "a")),
        (["1.5", "2", "1.5", "2"], None),
        (["1", "2", "3", "4"], None),
    ],
)
def test_classes_or_numbers_is_guessed(load, values, names):
    y, encoder = [load("x,y\n" + rows(4, lambda i: f"{i * i},{values[i]}"), "y")[i] for i in (1, 4)]
    if names is None:
        mean, spread = np.mean([float(v) for v in values]), np.std([float(v) for v in values])
        assert encoder.target == Numbers(("y",), (mean,), (spread,))
        np.testing.assert_allclose(y[:, 0], ([float(v) for v in values] - mean) / spread)
    else:
        assert encoder.target == Classes("y", names)
        assert [float(names[k]) if names[k][-1].isdigit() else names[k] for k in y] == [
            float(v) if v[-1].isdigit() else v for v in values
        ]


def test_the_guess_can_be_overruled(load):
    text = "x,y\n" + rows(8, lambda i: f"{i * i},{i % 2}")
    assert isinstance(load(text, "y", classes=False)[-1].target, Numbers)
    text = "x,y\n" + rows(8, lambda i: f"{i * i},{i % 2 + 0.5}")
    assert load(text, "y", classes=True)[-1].target.names == ("0.5", "1.5")


def test_up_to_twenty_whole_numbers_are_classes(load):
    for n, classes in ((20, True), (21, False)):
        target = load("x,y\n" + rows(100, lambda i, n=n: f"{i * i},{i % n}"), "y")[-1].target
        assert isinstance(target, Classes) == classes


def test_a_class_that_is_a_number_is_known_in_any_spelling(load, written):
    """A program that met a missing value writes 1.0 for 1."""
    encoder = load("x,y\n1,0\n2,1\n5,0\n7,1\n", "y")[-1]
    assert encoder.targets(encoder.read(written("x,y\n1,1.0\n2,0\n", "new.csv"))).tolist() == [1, 0]


def test_several_targets(load):
    _, y, _, _, encoder = load("a,b,c\n1,2,30\n2,2,10\n4,8,20\n", ["c", "b"])
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(y.std(axis=0), 1)
    np.testing.assert_allclose(encoder.answers(y), [[30, 2], [10, 2], [20, 8]])
    assert [feature.name for feature in encoder.features] == ["a"]


def test_answers_are_the_names_as_they_came(load):
    encoder = load('x,y\n1," Ärger, groß "\n2,01\n', "y")[-1]
    assert encoder.answers(np.array([[0.0, 1.0], [2.0, 1.0]])) == ["Ärger, groß", "01"]


# ---- the rows --------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.sampled_from([0.1, 0.2, 0.5]), st.integers(0, 99))
def test_each_class_has_its_share_in_both_parts(tmp_path_factory, counts, share, seed):
    path = tmp_path_factory.getbasetemp() / "split.csv"
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    path.write_text("x,y\n" + "".join(f"{i * i},c{k}\n" for i, k in enumerate(labels)))
    if sum(counts) * share < 2:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, y, x_test, y_test, encoder = load_table(path, "y", test=share, rng=seed)
    assert len(x) + len(x_test) == len(labels) == sum(counts)
    assert sorted([*encoder.targets(encoder.read(path))]) == sorted([*y, *y_test])
    drawn = round(sum(counts) * share)  # whole rows: their share is the one that each class has
    for k, n in enumerate(counts):
        assert abs(np.sum(y_test == k) - n * drawn / sum(counts)) < 1 + 1e-9
        assert np.sum(y == k) >= 1
    again = load_table(path, "y", test=share, rng=seed)
    np.testing.assert_array_equal(again[2], x_test)


def test_scaling_is_that_of_the_training_rows_alone(written):
    """The rows to test on, found by their number, are changed: what is trained on stays, to the bit."""
    path = written("n,x,c,y\n" + rows(50, lambda i: f"{i},{i**2},{'pq'[i % 2]},{i % 3}"))
    first = load_table(path, "y", ignore=["n"], rng=3)
    number = first[-1].features[0]
    tested = set(np.round(first[2][:, 0] * number.spread + number.mean).astype(int))
    assert len(tested) == 10
    path = written("n,x,c,y\n" + rows(50, lambda i: f"{i},{1e6 + i if i**2 in tested else i**2},{'pq'[i % 2]},{i % 3}"))
    second = load_table(path, "y", ignore=["n"], rng=3)
    np.testing.assert_array_equal(first[0], second[0])
    assert first[-1] == second[-1]
    assert second[2][:, 0].min() > 100
    np.testing.assert_allclose(first[0][:, 0].mean(), 0, atol=1e-12)
    np.testing.assert_allclose(first[0][:, 0].std(), 1)


def test_a_target_of_numbers_is_scaled_by_its_training_rows(written):
    _, y, _, y_test, encoder = load_table(written("x,y\n" + rows(50, lambda i: f"{i * i},{i**3}.5")), "y", rng=1)
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=1e-12)
    assert abs(y_test.mean()) > 1e-3
    every = np.sort(np.concatenate([encoder.answers(y), encoder.answers(y_test)])[:, 0])
    np.testing.assert_allclose(every, [i**3 + 0.5 for i in range(50)])


def test_what_only_one_row_has_is_trained_on(written):
    """A category, or a class, that the training part lacked could not be tested."""
    text = "x,c,y\n" + rows(
        40, lambda i: f"{i * i},{'rare' if i == 7 else 'pq'[i % 2]},{'odd' if i == 9 else 'ab'[i % 2]}"
    )
    for seed in range(30):
        x, y, x_test, _, encoder = load_table(written(text), "y", test=0.5, rng=seed)
        assert encoder.features[1].values == ("p", "q", "rare")
        assert x[:, encoder.features[1].values.index("rare") + 1].sum() == 1
        assert (y == encoder.target.names.index("odd")).sum() == 1
        assert 18 <= len(x_test) <= 20


# ---- missing values --------------------------------------------------------------------------------------

HOLES = "size,colour,wild,kind\n1,red,true,a\nNA,blue,,b\n3,?,true,a\n8,red,false,b\n"


def test_missing_values_are_refused_by_row_and_column(load):
    with pytest.raises(
        ValueError, match=r"mine.csv: row 2 \(line 3\), column 'size': the value is missing \(1 of 4 rows"
    ):
        load(HOLES, "kind")
    with pytest.raises(ValueError, match=r"row 3 \(line 4\), column 'colour'.*--missing mean"):
        load(HOLES, "kind", ignore=["size"])
    with pytest.raises(ValueError, match=r"row 2 \(line 3\), column 'wild'"):
        load(HOLES, "kind", ignore=["size", "colour"])


def test_missing_values_are_counted_in_all_rows(written):
    """Whichever rows are drawn to be tested on."""
    path = written("x,y\n" + rows(40, lambda i: f"{'' if i in (12, 30) else i * i},{'ab'[i % 2]}"))
    for seed in range(9):
        with pytest.raises(ValueError, match=r"row 13 \(line 14\), column 'x': the value is missing \(2 of 40 rows\)"):
            load_table(path, "y", rng=seed)


def test_missing_values_become_the_mean_or_the_most_frequent(load, written):
    x, _, _, _, encoder = load(HOLES, "kind", missing="mean")
    assert encoder.features[0].mean == 4
    assert x[1].tolist() == [0, 1, 0, 1]  # the mean; blue; true
    assert x[2, 1:3].tolist() == [0, 1]  # red
    new = encoder.read(written("size,colour,wild\n,,\n", "new.csv"))
    assert encoder.inputs(new).tolist() == [[0, 0, 1, 1]]


def test_the_most_frequent_truth_value_is_counted_in_any_spelling(load):
    text = "n,w,y\n1,true,a\n2,TRUE,b\n4,True,a\n9,false,b\n3,false,a\n1,NA,b\n"
    x, _, _, _, encoder = load(text, "y", missing="mean")
    assert (encoder.features[1], x[-1, 1]) == (Boolean("w", True), 1)


def test_missing_values_are_no_category_and_no_class(load):
    encoder = load(HOLES, "kind", missing="mean")[-1]
    assert encoder.features[1].values == ("blue", "red")
    with pytest.raises(ValueError, match=r"row 3 \(line 4\), column 'colour': .* leave out the rows without an answer"):
        load(HOLES, "colour", missing="mean")


# ---- what is refused, or warned of -----------------------------------------------------------------------


def days(i):
    return f"2024-{i // 28 + 1:02}-{i % 28 + 1:02}"


@pytest.mark.parametrize(
    ("text", "target", "options", "words"),
    [
        ("a,b\n", "b", {}, "has the names of its columns but no rows"),
        ("Size,b\n1,2\n", "sizes", {}, "has no column 'sizes'; is it 'Size'? It has 'Size', 'b'"),
        ("a,b\n1,2\n", "kind", {}, "has no column 'kind'. It has 'a', 'b'"),
        ("a,b\n1,2\n", "b", {"ignore": ["c"]}, "has no column 'c'"),
        ("a,b\n1,2\n", "b", {"ignore": ["b"]}, "target: 'b' is named twice, or in ignore too"),
        ("a,b\n1,2\n", ["b", "b"], {}, "target: 'b' is named twice"),
        ("a,b\n1,p\n2,p\n3,p\n", "b", {}, "the target 'b' is 'p' in all rows"),
        ("a,b\n1,7\n2,7\n3,7\n", "b", {"classes": False}, "the target 'b' is 7 in all rows"),
        ("a,b\n1,\n2,NA\n", "b", {}, "column 'b' is the target, and all its values are missing"),
        ("a,b\n,p\nNA,q\n", "b", {}, "values of column 'a' are missing; leave it out with ignore=['a'] (--ignore a)"),
        ("a,b\n,p\nNA,q\n", "b", {"missing": "mean"}, "all values of column 'a' are missing"),
        ("b\np\nq\n", "b", {}, "has no column left that could be an input"),
        ("a,b\n1,p\n2,x\n", "b", {"classes": False}, "row 1 (line 2), column 'b': 'p' is no number"),
        ("a,b,c\n1,p,1\n2,q,2\n", ["b", "c"], {}, "row 1 (line 2), column 'b': 'p' is no number"),
        ("a,b,c\n1,0,1\n2,1,2\n", ["b", "c"], {"classes": True}, "target: classes are in one column, got 'b', 'c'"),
        ("a;b\n1,5;p\n2,25;q\n", "b", {}, "column 'a' has decimal commas, '1,5'; write its numbers with a point"),
        ("a;b\n1;1,5\n2;2,5\n", "b", {}, "column 'b' has decimal commas, '1,5'"),
        ('a,b\n1,"p\nq"\n2,r\n', "b", {}, "the target 'b' has a class with a line break, 'p\\nq'"),
        ("id,b\n" + rows(60, lambda i: f"u{i},{'pq'[i % 2]}"), "b", {},
         "'id' is text with 60 different values in 60 rows, too many to be an input each; leave it out with"),
        ("d,b\n" + rows(60, lambda i: f"{days(i)},{'pq'[i % 2]}"), "b", {}, "'2024-01-01' looks like a date"),
        ('d,b\n' + rows(60, lambda i: f'"{i + 1},000",{"pq"[i % 2]}'), "b", {}, "'1,000' looks like a number;"),
        ("d,b\n" + rows(60, lambda i: f"{'n/a' if i == 9 else i},{'pq'[i % 2]}"), "b", {},
         "(most look like numbers, but 'n/a' is none)"),
        ("a,b\n" + rows(60, lambda i: f"{i * i},w{i}"), "b", {}, "the target 'b' has 60 different values in 60 rows"),
        ("a,b\n1e308,p\n-1e308,q\n", "b", {}, "column 'a' reaches from -1e+308 to 1e+308, which floats cannot bring"),
        ("a,b\n0,p\n5e-324,q\n", "b", {}, "column 'a' reaches from 0 to 4.94066e-324"),
        ("a,b\n1,p\n2,q\n", "b", {"test": 0.5}, "test=0.5 leaves none of the 2 rows to test on; give test=0 (--t"),
        ("a,b\n1,p\n2,q\n", "b", {"test": 1}, "test is 1, expected a finite number in [0, 1)"),
        ("a,b\n1,p\n2,q\n", "b", {"missing": "drop"}, "unknown missing 'drop', expected one of: refuse, mean"),
        ("a,b\n1,p\n2,q\n", [], {}, "target: it is empty"),
        ("a,b\n1,p\n2,q\n", 3, {}, "target: expected a list of names of columns, got 3"),
        ("a,b\n1,p\n2,q\n", "b", {"ignore": [1]}, "ignore: expected a list of names of columns, got [1]"),
        ("a,b\n1,p\n2,q\n", "b", {"classes": "yes"}, "classes must be True, False or None, not 'yes'"),
    ],
)  # fmt: skip
def test_refused_with_a_remedy(load, text, target, options, words):
    """With a part to test on, too, where there are rows enough."""
    for test in (0, 0.2) if text.count("\n") > 9 else (0,):
        with pytest.raises((ValueError, TypeError)) as caught:
            load(text, target, **{"test": test} | options)
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("d,y\n" + rows(9, lambda i: f"{days(i % 3)},{'pq'[i % 2]}"), "'2024-01-01' looks like a date"),
        ("id,x,y\n" + rows(9, lambda i: f"{i + 5},{i * i},{'pq'[i % 2]}"), "column 'id' counts the rows; if it is"),
        ("c,y\n" + rows(9, lambda i: f"c{i},{'pq'[i % 2]}"), "is text with 9 different values in 9 rows, each of them"),
        ('n,y\n' + rows(9, lambda i: f'"{i % 3 + 1},000",{"pq"[i % 2]}'), "'1,000' looks like a number"),
    ],
)  # fmt: skip
def test_warned_of(load, text, words):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(text, "y")
    assert [words in str(warning.message) for warning in caught] == [True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("size,wild,kind\n1,true,rose\n", "new.csv has no column 'colour'. It has 'size', 'wild', 'kind'"),
        ("Size,Colour,wild\n1,red,true\n", "no columns 'size', 'colour'; is it 'Size' or 'Colour'?"),
        ("size,colour,wild\n1,red,true\n2,pink,true\n",
         "row 2 (line 3), column 'colour': 'pink' was not there in training; known are 'blue', 'red', 'white'"),
        ("size,colour,wild\n1,red,yes\n", "row 1 (line 2), column 'wild': 'yes' was not there in training"),
        ("size,colour,wild\nbig,red,true\n", "row 1 (line 2), column 'size': 'big' is no number"),
        ("size,colour,wild\n1,red,true\n,red,true\n", "row 2 (line 3), column 'size': the value is missing"),
        ("size,colour,wild\n1e308,red,true\n", "row 1 (line 2), column 'size': 1e+308 is too far"),
    ],
)  # fmt: skip
def test_another_table_is_refused_by_column_and_row(load, written, text, words):
    encoder = load(FLOWERS.replace("9,", "4.0000001,").replace("1,", "4,").replace("2,", "4,"), "kind")[-1]
    with pytest.raises(ValueError) as caught:
        encoder.inputs(encoder.read(written(text, "new.csv")))
    assert words in str(caught.value)


def test_a_class_that_is_new_is_refused_by_its_row(load, written):
    encoder = load(FLOWERS, "kind")[-1]
    with pytest.raises(
        ValueError, match=r"row 1 \(line 2\), column 'kind': 'oak' was not there in training; known are"
    ):
        encoder.targets(encoder.read(written("kind\noak\n", "new.csv")))
