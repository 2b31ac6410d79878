"""Tables in text files: what is read, in any dialect, and what is refused, by its line."""

import codecs
import csv
import io
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minigrad.datasets import read_table, table
from minigrad.datasets.table import Text, column_names, numbers_in


@pytest.fixture
def read(tmp_path):
    """read("a,b\\n1,2\\n") -> the table in a file that holds this text."""

    def written_and_read(content, **options):
        path = tmp_path / "mine.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, **options)

    return written_and_read


def plain(column):
    """A column as a list: of floats, or of str."""
    return [column.values[code] for code in column.codes] if isinstance(column, Text) else column.tolist()


def columns(found):
    return {name: plain(column) for name, column in found.columns.items()}


# ---- what is read ----------------------------------------------------------------------------------------


def test_numbers_and_text(read):
    found = read(" a ,b,c\n1,x,2.5\n-3e-2 , y ,.5\n")
    assert columns(found) == {"a": [1, -0.03], "b": ["x", "y"], "c": [2.5, 0.5]}
    assert len(found) == 2
    assert found.columns["a"].dtype == np.float64


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("last", [True, False])
def test_dialects(read, newline, delimiter, mark, last):
    rows = [["name", "größe"], ["x,y;z\tw", "1.5"], ['say "hi"', "2"], [f"on two{newline}lines", "3"], ["", "4"]]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=newline).writerows(rows)
    content = text.getvalue() if last else text.getvalue().removesuffix(newline)
    found = read(mark + content.encode())
    assert columns(found) == {"name": [row[0] for row in rows[1:]], "größe": [1.5, 2, 3, 4]}


@pytest.mark.parametrize("value", ["", "NA", "NaN", "nan", "null", "NULL", "?", '""', " NA "])
def test_missing_numbers_are_nan(read, value):
    found = read(f"a,b\n1,x\n{value},y\n3,z\n")
    assert math.isnan(found.columns["a"][1])
    assert found.columns["a"][[0, 2]].tolist() == [1, 3]


@pytest.mark.parametrize(
    "value", ["1_000", "inf", "-Infinity", "0x10", "1,5", "1 2", "١", "1e", "--1", "Na", "none", "1\n2"]
)
def test_what_is_no_number_makes_its_column_text(read, value):
    """float() would take some of these; a table that means them as numbers is rarer than one that does not."""
    assert columns(read(f'a,b\n1,2\n"{value}",3\n')) == {"a": ["1", value], "b": [2, 3]}


def test_a_column_can_be_asked_for_as_text(read):
    """As it was written, so that a postcode keeps its zeros."""
    assert columns(read("a,b\n01,1\n1,2\n", text=["a"])) == {"a": ["01", "1"], "b": [1, 2]}


def test_text_that_comes_late(read, monkeypatch):
    """The numbers before it are text again, as they were written."""
    monkeypatch.setattr(table, "_CHUNK", 3)
    rows = [f"{i}.0,{i},w{i % 2}" for i in range(10)]
    for late in (3, 8, 9):
        found = read("\n".join(["a,b,c", *rows[:late], f"end,{late},w1", *rows[late + 1 :]]))
        assert plain(found.columns["a"]) == [f"{i}.0" if i != late else "end" for i in range(10)]
        assert plain(found.columns["b"]) == list(range(10))


def test_rows_and_lines_say_where_a_value_stands(read):
    """Blank lines have no number of a row; a row of several lines has that of its first."""
    found = read('\n\na,b\n1,x\n\n2,"y\nz"\n3,w\n')
    assert found.rows.tolist() == [1, 2, 3]
    assert found.lines.tolist() == [4, 6, 8]
    assert found.take(np.array([2, 0])).place(0, "b").endswith("mine.csv: row 3 (line 8), column 'b'")


def test_a_part_of_a_table(read):
    found = read("a,b\n1,x\n2,y\n3,x\n4,z\n")
    part = found.take(np.array([False, True, False, True]))
    assert columns(part) == {"a": [2, 4], "b": ["y", "z"]}
    assert sorted(part.columns["b"].values) == ["y", "z"]
    assert columns(found.take(np.array([], int))) == {"a": [], "b": []}


def test_a_table_of_one_column_and_one_without_rows(read):
    assert columns(read("a\n1\n2\n")) == {"a": [1, 2]}
    assert columns(read("a,b\n")) == {"a": [], "b": []}


def test_names_that_are_whole_numbers(read):
    """As pixels often are called."""
    assert list(read("0,1,2,label\n5,6,7,x\n").columns) == ["0", "1", "2", "label"]


def test_a_comma_as_decimal_point_beside_semicolons_is_no_delimiter(read):
    assert columns(read("a;b, in cm\n1,5;2,5\n3,5;4,5\n")) == {"a": ["1,5", "3,5"], "b, in cm": ["2,5", "4,5"]}


def test_the_names_alone(tmp_path):
    (tmp_path / "t").write_bytes(b"a; b\n1;2\n")
    assert column_names(tmp_path / "t") == ["a", "b"]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6).map(str.strip)
dialects = st.fixed_dictionaries({
    "delimiter": st.sampled_from(",;\t"),
    "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    "lineterminator": st.sampled_from(["\n", "\r\n"]),
})  # fmt: skip


@given(st.data(), dialects, st.integers(2, 4), st.integers(0, 6))
def test_what_csv_writes_is_read_again(tmp_path_factory, data, dialect, width, height):
    names = [f"n{i}{''.join(data.draw(cells).split())}" for i in range(width)]
    kinds = [data.draw(st.sampled_from(["text", "numbers"])) for _ in names]
    of = {"text": cells, "numbers": st.floats(allow_nan=False, allow_infinity=False)}
    drawn = [[data.draw(of[kind]) for _ in range(height)] for kind in kinds]
    path = tmp_path_factory.getbasetemp() / "random.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, **dialect).writerows([names, *zip(*drawn, strict=True)])
    with open(path, encoding="utf-8", newline="") as file:  # where a lone \r was written without quotes, a row ends
        again = [*csv.reader(file, delimiter=dialect["delimiter"])]
    assume(again == [names, *([str(cell) for cell in row] for row in zip(*drawn, strict=True))])
    as_text = [name for name, kind in zip(names, kinds, strict=True) if kind == "text"]
    found = read_table(path, text=as_text)
    assert columns(found) == dict(zip(names, drawn, strict=True))


@given(st.lists(st.one_of(st.floats().map(repr), st.sampled_from(["", "NA", "?", "x", "1_0", " 7 ", "+1", "1."]))))
def test_numbers_are_those_that_every_value_is(values):
    """Against one value at a time, by Python's float and a list of what is no number to it."""
    missing = {"", "NA", "?", "nan"}

    def number(value):
        return math.nan if value in missing else None if value in ("x", "1_0", "inf", "-inf") else float(value)

    expected = [number(value) for value in values]
    found = numbers_in(values)
    if None in expected:
        assert found is None
    else:
        np.testing.assert_array_equal(found, np.array(expected, float))


# ---- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "mine.csv is empty, expected a line with the names of the columns"),
        ("\n\n", "is empty"),
        (codecs.BOM_UTF8, "is empty"),
        ("a,b\n1,2\n3\n", "mine.csv, line 3: expected 2 values, as there are names, found 1"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: expected 2 values, as there are names, found 3"),
        ('a,b\n"1\n2",3\n4\n', "line 4: expected 2"),
        ("a,b,a\n1,2,3\n", "line 1: columns 1 and 3 are both called 'a'; rename one"),
        (",b\n1,2\n", "line 1: column 1 of 2 has no name"),
        ("a,b,\n1,2,\n", "column 3 of 3 has no name"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "the names of the columns, found values, ['5.1', '3.5', 'setosa']"),
        ("1,1,0\n0,1,0\n", "found values"),
        ("-1,2\n3,4\n", "found values"),
        (b"a,b\n1,2\n3,\xe9t\xe9\n", "line 3: the byte 0xe9 is not UTF-8; save the table as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: the byte 0xff is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "line 1: it holds bytes of 0, as no text does; save the table as CSV"),
        (b"PK\3\4\0\0mimetype\n", "line 1: it holds bytes of 0"),
        ('a,b\n1,2\n3,"x\n4,5\n', "line 3: unexpected end of data; is a quote opened there that does not end?"),
        ('a,b\n1,"x"y\n', "line 2: "),
        ("a,b\n1,2\n1e999,3\n", "row 2 (line 3), column 'a': 1e999 is too large for a float"),
        ("a,b\n1," + "x" * 200_000 + "\n", "line 2: field larger than field limit"),
    ],
)  # fmt: skip
def test_faults_are_named_by_their_line(read, content, words):
    with pytest.raises(ValueError) as caught:
        read(content)
    assert "mine.csv" in str(caught.value)
    assert words in str(caught.value)


def test_other_things_than_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "nothing.csv")
    with pytest.raises(IsADirectoryError):
        read_table(tmp_path)
    with pytest.raises(TypeError, match="path: expected a str or a path, got 3"):
        read_table(3)
    with pytest.raises(ValueError, match="/dev/null is a device, expected a plain file"):
        read_table("/dev/null")
