"""Routes, one file per resource: each validates, calls the services and answers."""
