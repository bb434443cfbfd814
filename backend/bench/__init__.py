"""The benchmark: what each method costs over its floor, and against public implementations, as ratios within one run.

Rows are files in this package with a function `rows(setting)`; the harness interleaves ours and theirs, so that a machine that slows down
slows both. Peers that are not installed leave their rows out and say so.
"""
