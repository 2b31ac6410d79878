"""What an error says of the argument that came, and which line of code would mend the call.

Each line was run on that very argument before the message names it. So no message advises what does not work.
"""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from typing import Any

import numpy as np

FRAMEWORKS = {"torch": "PyTorch", "sklearn": "scikit-learn", "keras": "Keras", "tensorflow": "TensorFlow"}
FAMILIAR = ("builtins", "numpy", "minigrad")  # packages whose classes are named without their module
ROLES = {"Optimizer": "optimizer", "_Loss": "loss", "Module": "model", "Model": "model", "BaseEstimator": "model"}


def shown(value: object) -> str:
    """repr for a message, cut after 200 characters; text also for an int of more digits than Python writes."""
    try:
        text = repr(value)
    except ValueError:
        text = "an int of very many digits"
    return text if len(text) <= 200 else f"{text[:200]}..."


def article(word: str) -> str:
    """The word with its article, a or an."""
    return f"{'an' if word[:1] in 'aeiouAEIOU' else 'a'} {word}"


def described(value: Any) -> str:
    """What came, in words: its class, with the module where it is another library's."""
    if isinstance(value, type):
        return f"the class {full_name(value)}"
    if value is None or isinstance(value, str | bytes):
        return shown(value)
    return article(full_name(type(value)))


def described_array(value: Any) -> str:
    """described, for another library's array: with the type of its numbers, and the device they are on."""
    text = described(value)
    if hasattr(type(value), "__array__"):
        for word, attribute in (("of", "dtype"), ("on", "device")):
            text += f" {word} {getattr(value, attribute)}" if hasattr(value, attribute) else ""
        text += " that requires grad" if getattr(value, "requires_grad", False) is True else ""
    return text


def full_name(cls: type) -> str:
    """The name of a class, with its module where it is another library's."""
    return cls.__qualname__ if package_of(cls) in FAMILIAR else f"{cls.__module__}.{cls.__qualname__}"


def package_of(cls: type) -> str:
    """The package a class comes from."""
    return cls.__module__.partition(".")[0]


# ---- lines of code, tried before they are advised --------------------------------------------------------


def advised(
    error: Exception, lines: Iterable[str], name: str, value: Any, check: Callable[[Any], Any], remark: str = ""
) -> Exception:
    """The error with "; use LINE" added, for the first line that works: check(what it makes of value) raises nothing.

    A line is code with {a} for the argument: "np.asarray({a}, float)". The remark follows it in the message. Where no
    line works, the error comes back as it is. The error's attribute advice is the line as it was given: who wants to
    run it must not take it out of the message, which may quote what came.
    """
    for line in lines:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("error")  # a conversion that warns loses something
                check(evaluated(line, value))
        except Exception:  # whatever it is, this line does not work
            continue
        mended = type(error)(f"{error}; use {line.format(a=variable(name))}{remark}")
        mended.advice = getattr(error, "advice", line)  # type: ignore[attr-defined]
        return mended
    return error


def evaluated(line: str, value: Any) -> Any:
    """What a line of code makes of a value; pd and pl in it are pandas and polars where the value came from them."""
    names = {"np": np, "pd": sys.modules.get("pandas"), "pl": sys.modules.get("polars"), "a": value}
    return eval(line.format(a="a"), names)


def variable(name: str) -> str:
    """The argument's name as code: x for "validation x", and "it" where there is no name at the end."""
    found = re.search(r"[^\W\d]\w*(\[.*\])?$", name)
    return found.group() if found else "it"


def array_lines(value: Any) -> list[str]:
    """Lines that may make an array of value. Methods are called only where value says that it is an array."""
    if hasattr(type(value), "__array__"):
        methods = "detach", "float", "cpu", "to_dense", "resolve_conj", "resolve_neg", "dequantize"
        lines = [f"{{a}}.{method}()" for method in methods] + ["{a}.detach().cpu().to_dense().float()"]
        return [*lines, "np.column_stack([{a}[name] for name in {a}.dtype.names])"]  # the last for an array of records
    if isinstance(value, list | tuple) and all(hasattr(type(row), "__array__") for row in value):
        return ["[row.detach() for row in {a}]", "[row.detach().cpu().to_dense().float() for row in {a}]"]
    if isinstance(value, Mapping):
        return ["np.column_stack(list({a}.values()))"]
    if isinstance(value, Collection) and not isinstance(value, Set | str | bytes):
        return ["np.array(list({a}))"]
    return ["{a}.toarray()", "{a}.todense()", "{a}.collect()"]  # sparse matrices, a frame that is not computed yet


FLOAT_LINES = (
    "{a} / np.timedelta64(1, 'D')", "({a} - np.min({a})) / np.timedelta64(1, 'D')",  # of durations, of times
    "{a}.to_numpy(float)", "{a}.float()", "{a}.astype(float)", "np.asarray({a}, float)",
)  # fmt: skip


# ---- classes of other libraries --------------------------------------------------------------------------


def unlike(value: Any, kind: type, name: str) -> str:
    """What came, which kind was expected, and what to do about it."""
    ours = "minigrad " if "." in full_name(type(value)) else ""  # the other class may have the same name
    return f"{described(value)}, expected {article(ours + kind.__name__)}{_remedy(value, kind, name)}"


def _remedy(value: Any, kind: type, name: str) -> str:
    """The end of a message: what to do where value came and an object of kind was expected; "" where nothing helps."""
    cls = value if isinstance(value, type) else type(value)
    framework = next((FRAMEWORKS[package_of(base)] for base in cls.__mro__ if package_of(base) in FRAMEWORKS), None)
    if framework is not None:
        role = next((ROLES[base.__name__] for base in cls.__mro__ if base.__name__ in ROLES), "object")
        return f": this is a {framework} {role}{_counterpart(framework, role, cls, kind)}"
    if cls is value:
        return f"; use {example_call(cls)}" if issubclass(cls, kind) and cls is not kind else ""
    if kind.__name__ == "Sequential":
        if hasattr(value, "forward"):
            return f"; use mg.Sequential({variable(name)})"
        if isinstance(value, list | tuple) and value and all(hasattr(layer, "forward") for layer in value):
            return f"; use mg.Sequential(*{variable(name)})"
    return ""


def _counterpart(framework: str, role: str, cls: type, kind: type) -> str:
    """What minigrad has in place of another framework's class."""
    if role != "model":
        same = (ours for ours in family(kind) if ours.__name__ == cls.__name__ and package_of(ours) == "minigrad")
        ours = next(same, None)
        return f"; use {example_call(ours)}" if ours else ""
    if framework == "PyTorch":
        return "; build the same layers with mg.Sequential, then net.load_state_dict(model.state_dict()) fills them"
    return "; build a net with mg.mlp or mg.Sequential"


def family(kind: type) -> Iterator[type]:
    """kind and all classes derived from it."""
    yield kind
    derived: list[type] = kind.__subclasses__()
    for cls in derived:
        yield from family(cls)


def example_call(cls: type) -> str:
    """The call that makes one: mg.MSELoss(), mg.SGD(lr=...)."""
    needed = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
    named = [p.name + "=..." if p.kind is p.POSITIONAL_OR_KEYWORD else "..." for p in needed if p.kind != p.VAR_KEYWORD]
    return f"{'mg.' if package_of(cls) == 'minigrad' else ''}{cls.__name__}({', '.join(named)})"
