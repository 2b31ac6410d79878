"""Small PyTorch models of many kinds, for the tests of capture: importing this module makes them known."""

import torch_models_images
import torch_models_plain
import torch_models_sequences
from torch_case import CASES, Case, N, made

__all__ = ["CASES", "Case", "N", "made", "torch_models_images", "torch_models_plain", "torch_models_sequences"]
