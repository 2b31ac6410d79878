"""Measuring instruments: what can be read off delta and a, of any net, without hidden state."""

from types import FunctionType as _Function

from .._checks import quiet as _quiet
from .conditioning import (
    GramSigns,
    coherence,
    condition_number,
    critical_batch,
    gram_signs,
    max_stable_lr,
    second_moment,
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
    survival_limit,
    survival_probability,
)
from .transformations import gauge_flip, precondition, rotate, tanh_twin, twin_preconditioner

# What overflows or is 0/0 shows in the result; the caller's np.errstate is neither asked nor changed.
for _name, _value in list(globals().items()):
    if isinstance(_value, _Function) and not _name.startswith("_") and not hasattr(_value, "__wrapped__"):
        globals()[_name] = _quiet(_value)
