"""The benchmark: what each method costs over its floor, and against public implementations, as ratios within
one run.

A group of rows is a file in this package with a `TITLE`, an `ORDER` and a function `rows(setting)` that
yields `Row` and `LeftOut`; there is no list to edit. The harness takes ours and theirs in turn, so that a
machine that slows down slows both. A peer that is not installed is left out with a line that says so.
"""
