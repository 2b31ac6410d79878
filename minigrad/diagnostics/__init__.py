"""Measuring instruments: what can be read off delta and a, of any net, without hidden state.

delta (N, ..., K) and a (N, ..., J) may have positions. Each instrument says what it counts: samples, whose gradients
are summed over their positions; positions; or rows, which are all positions of all samples.
"""

from .conditioning import (
    GramSigns,
    coherence,
    condition_number,
    critical_batch,
    gram_signs,
    max_stable_lr,
    rank,
    second_moment,
    spectrum,
)
from .curvature import best_diagonal_condition, curvature_outlier, sharpness
from .depth import Attenuation, MeanField, attenuation, critical_gain, mean_field_norms, mean_field_rate
from .detours import NarrowCone, SignDetour, fewest_reversals, narrow_cone, sign_detour, tube_legs
from .reachability import (
    Nearest,
    Reachability,
    SignPatterns,
    is_reachable,
    nearest_reachable,
    pattern_count,
    reachable_patterns,
)
from .saturation import Saturation, dead_units, saturation
from .signs import (
    MeanFluctuation,
    delta_agreement,
    mean_fluctuation_split,
    orthant_pairs,
    sign_entropy_bits,
    sign_pattern,
    single_signed_rows,
    single_signed_share,
    zero_rows,
)
from .survival import batch_survival, survival_limit, survival_probability
from .symmetries import gauge_flip, precondition, rotate, tanh_twin, twin_preconditioner
from .zigzag import ZigZag

__all__ = [
    "Attenuation",
    "GramSigns",
    "MeanField",
    "MeanFluctuation",
    "NarrowCone",
    "Nearest",
    "Reachability",
    "Saturation",
    "SignDetour",
    "SignPatterns",
    "ZigZag",
    "attenuation",
    "batch_survival",
    "best_diagonal_condition",
    "coherence",
    "condition_number",
    "critical_batch",
    "critical_gain",
    "curvature_outlier",
    "dead_units",
    "delta_agreement",
    "fewest_reversals",
    "gauge_flip",
    "gram_signs",
    "is_reachable",
    "max_stable_lr",
    "mean_field_norms",
    "mean_field_rate",
    "mean_fluctuation_split",
    "narrow_cone",
    "nearest_reachable",
    "orthant_pairs",
    "pattern_count",
    "precondition",
    "rank",
    "reachable_patterns",
    "rotate",
    "saturation",
    "second_moment",
    "sharpness",
    "sign_detour",
    "sign_entropy_bits",
    "sign_pattern",
    "single_signed_rows",
    "single_signed_share",
    "spectrum",
    "survival_limit",
    "survival_probability",
    "tanh_twin",
    "tube_legs",
    "twin_preconditioner",
    "zero_rows",
]
