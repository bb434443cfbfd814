"""The bundled inputs, and the programs that made them."""
