"""Training: the loop, what it keeps, what follows a gradient, and many runs at once."""
