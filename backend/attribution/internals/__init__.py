"""Inside a network: layers read by a lens, filters, and how they form during training."""
