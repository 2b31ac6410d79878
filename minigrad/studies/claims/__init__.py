"""The words of each claim: what is said of it, and the code to try at home. What was measured fills in the numbers."""
