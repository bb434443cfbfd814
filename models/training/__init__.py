"""Training: one loop for every bundled network, honest measures, and the commands that made the shipped
weights."""
