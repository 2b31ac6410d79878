"""What the small PyTorch models of the tests of capture share: how a case is written, and how it is made."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

N = 5  # samples


class Case(NamedTuple):
    """model(x) against y. coupled: one sample's output depends on the others. unpaired: the names that it reports."""

    model: nn.Module
    x: Any
    y: Any
    loss: Callable[..., Any]
    coupled: bool = False
    unpaired: tuple[str, ...] = ()
    sample_axis: int = 0


CASES: dict[str, Callable[[], Case]] = {}


def case(make: Callable[[], Case]) -> Callable[[], Case]:
    CASES[make.__name__] = make
    return make


def made(name: str, seed: int = 0) -> Case:
    """The case with that name; twice the same for the same seed."""
    torch.manual_seed(seed)
    return CASES[name]()


class Call(nn.Module):
    """A model whose forward is a function of its modules and x."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *x: Any) -> Any:
        return self.function(self, *x)


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) / shape[-1] ** 0.5)


def classes(count: int = 3, *shape: int) -> torch.Tensor:
    return torch.randint(0, count, (N, *shape))


def cross_entropy(output, y):
    return F.cross_entropy(output, y)


def cross_entropy_of_tokens(output, y):
    return F.cross_entropy(output.flatten(0, 1), y.flatten())


def image(channels=2, size=6):
    return torch.randn(N, channels, size, size)
