"""Routes, one file per resource: validate, call, answer."""
