"""Running somebody's network fast and leaving it as it was."""
