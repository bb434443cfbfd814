"""The pages, imported explicitly: Dash's own discovery would import each of them a second time."""
