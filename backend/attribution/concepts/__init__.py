"""Concept maps: Visual-TCAV (arXiv 2411.05698), local and global, with significance."""
