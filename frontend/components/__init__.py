"""Parts of the pages. A component is a function that draws; it holds no state and asks nobody."""
