"""Measuring explanations: the types of a metric, the passes that several metrics share, controls, and `evaluate`."""
