"""Evidence reports: what a model said of an input and what it used, as one PDF or one HTML file. numpy, no torch."""
