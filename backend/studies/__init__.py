"""Studies whose truth is known beforehand: they measure the explanations, not the networks."""
