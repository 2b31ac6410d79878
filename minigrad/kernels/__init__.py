"""Arithmetic: the compiled core's parts, its readable twin in NumPy, and the choice between the two."""
