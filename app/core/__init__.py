"""What every part agrees on: errors, settings, the registry, the wire schemas. Imports nothing else of
ours."""
