"""Studies with known truth: they measure the explanations, not the networks."""
