"""Formulas of the page: what the notation means, and what it refuses."""

import html.parser
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.report import mathml
from minigrad.report.mathml import mathml as set_formula
from minigrad.studies import STUDIES
from minigrad.studies.claims import q01, q02, q03, q04, q05, q06, q07, q08, q09, q10, q11, q12
from minigrad.studies.finding import CLAIMS

WORDS = [one.WORDS for one in (q01, q02, q03, q04, q05, q06, q07, q08, q09, q10, q11, q12)]


def short(formula):
    """The MathML of a formula in a form that is quick to read: sub(δ;k) for what is set below."""
    text = set_formula(formula).removeprefix("<math>").removesuffix("</math>")
    text = text.replace(' lspace="0" rspace="0"', "")
    text = re.sub(r"</?(mi|mn|mo)( form=\"prefix\")?>", lambda m: "~" if m[2] else "", text)
    text = text.replace('<mspace width="0.17em"></mspace>', " ")
    for tag, name in {"msub": "sub", "msup": "sup", "msubsup": "both", "msqrt": "root", "mrow": ""}.items():
        text = text.replace(f"<{tag}>", f"{name}{{").replace(f"</{tag}>", "}")
    return text


@pytest.mark.parametrize(
    ("formula", "meaning"),
    [
        ("delta_k a_j", "sub{δ{k}}sub{a{j}}"),
        ("dc/dw_kj", "dc/dsub{w{kj}}"),  # a script belongs to the last letter of a product
        ("2^(K+J-1)", "sup{2{K+J−1}}"),
        ("2^(KJ)", "sup{2{KJ}}"),
        ("a_n^T", "both{a{n}{T}}"),
        ("W^l", "sup{W{l}}"),
        ("e^-2", "sup{e{~−2}}"),
        ("z = -745.13", "z=~−745.13"),
        ("a - b", "a−b"),
        ("sgn delta sgn a^T", "sgn δ sgn sup{a{T}}"),
        ("53 ln 2", "53 ln 2"),
        ("tanh(z/2)", "tanh{(z/2)}"),
        ("|G| = |delta| |a|", "{|G|}={|δ|}{|a|}"),
        ("sigma'(z)", "{σ′}{(z)}"),
        ("sigma'^2", "sup{{σ′}{2}}"),
        ("√2 |d|", "root{2}{|d|}"),
        ("√(q + 1)", "root{q+1}"),
        ("sum_(i<K) x_i", "sub{∑{i&lt;K}} sub{x{i}}"),
        ("d_(+) - d_(-)", "sub{d{~+}}−sub{d{~−}}"),
        ("a -> Q a, |x| <= 1", "a→Qa,{|x|}≤1"),
        ("gain^2 E[x]", "sup{gain{2}} E{[x]}"),
        ("mu_1", "sub{μ{1}}"),
        ("2 tanh(z/2)", "2 tanh{(z/2)}"),
    ],
)
def test_what_the_notation_means(formula, meaning):
    assert short(formula) == meaning


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("(a + b", r"'\)' is missing"),
        ("|a", r"'\|' is missing"),
        ("a + b)", r"'\)' stands where"),
        ("a_", "'its end' stands where"),
        ("^2", r"'\^' stands where"),
        ("a {b}", "does not know '{'"),
        ("\\delta", r"does not know '\\\\'"),
    ],
)
def test_what_it_refuses(formula, why):
    with pytest.raises(ValueError, match=why) as error:
        set_formula(formula)
    assert f"${formula}$" in str(error.value)


class Tree(html.parser.HTMLParser):
    """Fails where an element is not closed in order, and counts the children of each."""

    def __init__(self, text):
        super().__init__()
        self.open, self.children = [["", 0]], []
        self.feed(text)
        assert len(self.open) == 1

    def handle_starttag(self, tag, attrs):
        self.open[-1][1] += 1
        self.open.append([tag, 0])

    def handle_endtag(self, tag):
        assert self.open[-1][0] == tag
        self.children.append(tuple(self.open.pop()))


@given(st.text(alphabet="abKdz_^'()[]|+-=<>/·√ 12.,δdelta", max_size=30))
def test_any_text_is_set_or_refused_and_never_breaks_the_page(text):
    try:
        written = set_formula(text)
    except ValueError:
        return
    counts = {"msub": 2, "msup": 2, "msubsup": 3}
    assert all(children == counts.get(tag, children) for tag, children in Tree(written).children)


def test_all_formulas_of_the_claims_can_be_set():
    """And nothing that looks like one is left outside of them."""
    assert len(WORDS) == len(CLAIMS) == sum(len(study.claims) for study in STUDIES.values())
    texts = list(CLAIMS.values())
    for words in WORDS:
        texts += [words.verdict, words.deciding, words.theorem, words.caveat]
        texts += [picture.caption for picture in words.pictures.values()]
        assert not any("$" in picture.alt for picture in words.pictures.values())  # it is read aloud as it is
    for text in texts:
        parts = re.sub(r"\{[^{}]*\}", "1", text).split("$")
        assert len(parts) % 2 == 1, text
        for outside in parts[::2]:
            assert not re.search(r"\w_\w|\^", outside), outside
        for formula in parts[1::2]:
            set_formula(formula)


def test_the_letters_are_greek():
    assert all(len(letter) == 1 and "α" <= letter <= "ω" for letter in mathml.GREEK.values())
    assert all(set_formula(name) == f"<math><mi>{letter}</mi></math>" for name, letter in mathml.GREEK.items())
