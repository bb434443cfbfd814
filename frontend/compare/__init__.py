"""The Compare page: an input, its prediction, and maps of it side by side."""
