"""Formulas in the house's notation, `$delta_k a_j$`, as MathML, which browsers set without a script.

The notation is that of the docstrings. `_` sets below and `^` above; what is set so and longer than a word stands in
parentheses, as in `2^(K+J-1)`. Greek letters have their names, `√(q)` is a root, and <=, >= and -> are what they look
like. A word of one or two letters is a product of variables (KJ, dw_kj), a longer one is a name (sgn, gain).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "sigma": "σ",
    "chi": "χ",
}
SIGNS = {"<=": "≤", ">=": "≥", "->": "→", "-": "−", "*": "·", "sum": "∑", "'": "′", "...": "…"}
NAMES = {"ln", "lr"}  # of two letters, but one name
CLOSING = {"(": ")", "[": "]", "|": "|"}

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:[.,]\d+)*|[½¼])|(?P<name>[A-Za-z]+|[α-ωΑ-Ω])|(?P<sign><=|>=|->|\.\.\.|_|[^\s\w{}$\\]))\s*"
)


def mathml(formula: str) -> str:
    """The formula as an element <math>.

    ValueError, with the formula, where it has a character that the notation does not know, or an open bracket.
    """
    parser = _Parser(formula)
    content = parser.row(until="")
    return f"<math>{content}</math>"


class _Parser:
    """Reads a formula from left to right; each method returns the MathML of what it has read."""

    def __init__(self, formula: str):
        self.formula = formula
        self.tokens = list(_tokens(formula))
        self.place = 0

    def row(self, until: str) -> str:
        """All up to the closing bracket `until`, which is read too; up to the end if it is empty."""
        parts: list[str] = []
        before = "sign"  # what was read last; after a sign, or none, a minus belongs to its number
        while self.peek() != until:
            if not self.peek():
                raise ValueError(f"${self.formula}$: {until!r} is missing at its end")
            now = self.role()
            if "name" in (before, now) and not {"sign", "bracket"} & {before, now}:
                parts.append('<mspace width="0.17em"></mspace>')
            parts.append(self.scripted(prefix=before == "sign"))
            before = now
        self.place += 1
        return "".join(parts)

    def scripted(self, prefix: bool = False) -> str:
        """An atom with what is below and above it."""
        base = self.atom(prefix)
        if self.peek() == "'":  # the letter ′ is a raised one by itself
            base = f'<mrow>{base}<mo lspace="0" rspace="0">{SIGNS[self.take()]}</mo></mrow>'
        below = above = ""
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                below += self.script()
            else:
                above += self.script()
        scripts = "".join(f"<mrow>{script}</mrow>" for script in (below, above) if script)
        if not scripts:
            return base
        kind = "msubsup" if below and above else "msub" if below else "msup"
        return f"<{kind}>{base}{scripts}</{kind}>"

    def script(self) -> str:
        """What stands above or below: a parenthesis without its brackets, a whole word, or a number with its sign."""
        if self.peek() == "(":
            self.take()
            return self.row(until=")")
        sign = self.atom(prefix=True) if self.peek() in ("-", "−") else ""
        if self.kind() == "name":
            word = self.take()
            return sign + (_word(word) if len(word) > 2 else "".join(map(_word, word)))
        return sign + self.atom()

    def atom(self, prefix: bool = False) -> str:
        """A number, a variable, a name, a sign, or what is in brackets."""
        kind, token = self.kind(), self.take()
        if kind == "number":
            return f"<mn>{token}</mn>"
        if token in CLOSING:
            inside = self.row(until=CLOSING[token])
            return f"<mrow><mo>{token}</mo>{inside}<mo>{CLOSING[token]}</mo></mrow>"
        if token == "√":
            if self.peek() == "(":
                self.take()
                return f"<msqrt>{self.row(until=')')}</msqrt>"
            return f"<msqrt>{self.atom()}</msqrt>"
        if kind == "name" and token != "sum":
            return _word(token)
        if not token or token in (")", "]", "_", "^"):
            raise ValueError(f"${self.formula}$: {token or 'its end'!r} stands where a number or a letter was expected")
        form = ' form="prefix"' if prefix and token in ("-", "−", "+", "±") else ""
        return f"<mo{form}>{escape(SIGNS.get(token, token))}</mo>"

    def role(self) -> str:
        """What the next token is to its neighbours: a bracket, a sign, a name of several letters, or else an atom."""
        token = self.peek()
        if token in CLOSING:
            return "bracket"
        if self.kind() == "name":
            return "name" if token in NAMES or (len(token) > 2 and token not in GREEK) else "atom"
        return "sign" if self.kind() == "sign" and token != "√" else "atom"

    def kind(self) -> str:
        """That of the next token: number, name, sign; empty at the end."""
        return self.tokens[self.place][0] if self.place < len(self.tokens) else ""

    def peek(self) -> str:
        """The next token; empty at the end."""
        return self.tokens[self.place][1] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        """The next token, which is then read."""
        token = self.peek()
        self.place += 1
        return token


def _tokens(formula: str) -> Iterator[tuple[str, str]]:
    """(kind, text) of each token. Letters that are multiplied are tokens of their own: a script belongs to the last."""
    place = 0
    while place < len(formula):
        match = TOKEN.match(formula, place)
        if not match:
            raise ValueError(f"${formula}$: the notation does not know {formula[place:].strip()[:1]!r}")
        kind, text = match.lastgroup or "", match[match.lastgroup or 0]
        script = formula[:place].rstrip().endswith(("_", "^"))
        if kind == "name" and len(text) == 2 and text not in NAMES | GREEK.keys() and not script:
            yield from (("name", letter) for letter in text)
        else:
            yield kind, text
        place = match.end()


def _word(word: str) -> str:
    """A variable or a name: browsers set one letter in italics, and a longer name upright."""
    return f"<mi>{GREEK.get(word, word)}</mi>"
