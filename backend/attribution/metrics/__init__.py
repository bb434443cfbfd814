"""Metrics of explanations, one file each. The registry discovers every file here, the page draws its parameters as a
form, and the contract tests run it."""

from backend.attribution.measuring.registry import METRICS as METRICS
from backend.attribution.measuring.registry import register as register
