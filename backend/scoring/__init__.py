"""What many scores say together: intervals, ranks, verdicts, tables, words. Numbers only, no torch."""
