"""A diagnosis in the words of a PyTorch user: the model's own names, and remedies as lines of PyTorch."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from .finding import Finding

LR = "for group in opt.param_groups: group['lr'] = "
# What minigrad's remedies say -> what one writes in PyTorch.
WORDS = (
    (
        r"net = mg\.mlp\(sizes, 'sigmoid'.*",
        "torch.nn.init.xavier_normal_(layer.weight, gain=4)  # each Linear before a sigmoid",
    ),
    (
        r"net = mg\.mlp\(sizes, activation.*",
        "torch.nn.init.kaiming_normal_(layer.weight); torch.nn.init.zeros_(layer.bias)  # each layer before a ReLU; "
        "before another activation xavier_normal_, with gain=4 before a sigmoid",
    ),
    (r"init='tanh_equivalent' for sigmoid", "xavier_normal_ with gain 4 for sigmoid"),
    (r"mg\.Sequential\(\*list\(net\)\[", "torch.nn.Sequential(*list(model)["),
    (r"\bnet = ", "model = "),
    (r"\bnet\[", "model["),
    (r"(model(?:\[\d+\])+\.(?:weight|bias)) \*=", r"\1.data *="),
    (r"mg\.BatchNorm\(", "torch.nn.BatchNorm1d("),
    (r"mg\.", "torch.nn."),
    (r"opt\.(\w+) = ", r"for group in opt.param_groups: group['\1'] = "),
    (r"value = value / len\(output\).*", "loss = lambda output, y: loss_fn(output, y) / len(output)"),
    (r"np\.isfinite\((\w)\)", r"torch.isfinite(\1)"),
    (r"\.(std|mean)\(axis=", r".\1(dim="),
    (r"np\.random\.default_rng\(0\)\.permutation\(len\(x\)\)", "torch.randperm(len(x))"),
)


def is_torch(net: Any) -> bool:
    """Whether it is a PyTorch module, found without importing PyTorch."""
    return any(f"{cls.__module__}.{cls.__name__}" == "torch.nn.modules.module.Module" for cls in type(net).__mro__)


def in_torch(words: str, images: bool) -> str:
    """A remedy, or its code, in PyTorch; of images, whose channels PyTorch has as axis 1."""
    if images:
        words = re.sub(r"axis=\((0.*?)\)", lambda m: f"axis=(0, {_shifted(m[1])}), keepdim=True", words)
    for ours, theirs in WORDS:
        words = re.sub(ours, theirs, words)
    return words


def _shifted(axes: str) -> str:
    """Axes of positions, "0, 1, 2", behind the channels: "2, 3"."""
    return ", ".join(str(int(axis) + 1) for axis in axes.split(", ")[1:])


def path_in(path: str | None, names: dict[str, str]) -> str | None:
    """A path of the net as the model calls it."""
    if path is None:
        return None
    first, _, rest = path.partition(".")
    return ".".join(part for part in (names.get(first, first), rest) if part) or "model"


def finding_in(finding: Finding, names: dict[str, str], images: bool) -> Finding:
    """A finding with the model's names and remedies in PyTorch; without apply, as the model is not minigrad's."""

    def renamed(match: re.Match[str]) -> str:
        return match[1] + ", ".join(str(path_in(path, names)) for path in match[2].split(", "))

    text = re.sub(r"(\blayers? )(\d[\w.]*\w|\d)(?=[\s,:;]|\.?$)", renamed, finding.text)
    text = re.sub(r"(The layers )(\d[\w.]*(?:, \d[\w.]*)*)", renamed, text) if "The layers" in finding.text else text
    return replace(
        finding,
        text=in_torch(text, images),
        remedy=in_torch(finding.remedy, images),
        code=in_torch(finding.code, images),
        layer=path_in(finding.layer, names),
        apply=None,
    )


def in_torch_words(found: Any, names: dict[str, str], model: Any, images: bool) -> Any:
    """A Diagnosis of the net that a model became, as one of the model."""
    modules = dict(model.named_modules())
    layers = []
    for layer in found.layers:
        path = place = str(path_in(layer.path, names))
        while place not in modules:
            place = place.rpartition(".")[0]
        layers.append(replace(layer, path=path, layer=repr(modules[place])))
    found.findings = [finding_in(finding, names, images) for finding in found.findings]
    found.layers = layers
    return found
