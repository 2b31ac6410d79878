"""Measuring instruments: what can be read off delta and a, of any net, without hidden state."""

from .conditioning import (
    GramSigns,
    coherence,
    condition_number,
    critical_batch,
    gram_signs,
    max_stable_lr,
    rank,
    second_moment,
    sharpness,
    spectrum,
)
from .curvature import best_diagonal_condition, curvature_outlier
from .paths import (
    NarrowCone,
    Nearest,
    Reachability,
    SignDetour,
    ZigZag,
    fewest_reversals,
    is_reachable,
    narrow_cone,
    nearest_reachable,
    sign_detour,
    tube_legs,
)
from .saturation import (
    Attenuation,
    MeanField,
    Saturation,
    attenuation,
    critical_gain,
    dead_units,
    mean_field_rate,
    saturation,
)
from .signs import (
    MeanFluctuation,
    SignPatterns,
    batch_survival,
    delta_agreement,
    mean_fluctuation_split,
    orthant_pairs,
    pattern_count,
    reachable_patterns,
    sign_entropy_bits,
    sign_pattern,
    single_signed_rows,
    single_signed_share,
    survival_limit,
    survival_probability,
    zero_rows,
)
from .transformations import gauge_flip, precondition, rotate, tanh_twin, twin_preconditioner
