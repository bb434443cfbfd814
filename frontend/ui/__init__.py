"""Parts that several pages use. A component is a function that draws; it holds no state and asks nobody."""
