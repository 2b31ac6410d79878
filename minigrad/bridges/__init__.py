"""Bridges to other libraries: their models seen as pairs (delta, a), their files, their ways of calling a net.

Each file here is named after one library and alone imports it. minigrad itself never needs any of them.
"""


def missing(package: str) -> ImportError:
    """The error of a bridge whose library is not there; it says what to install."""
    return ImportError(f"this bridge needs {package}, which is not installed: pip install {package}")
