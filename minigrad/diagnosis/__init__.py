"""The diagnosis: why does a net not learn? Rules name suspects, trials say which is to blame."""

from .diagnose import Diagnosis, diagnose
from .finding import Finding
from .setup import Setup

__all__ = ["Diagnosis", "Finding", "Setup", "diagnose"]
