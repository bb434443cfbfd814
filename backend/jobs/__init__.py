"""Jobs: their table is the only truth; an engine runs what the table says is running."""
