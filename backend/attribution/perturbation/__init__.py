"""Inputs with parts taken away: segments, replacements, the linear surrogate of LIME."""
