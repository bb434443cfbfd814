"""HTTP code that all routes share: error answers, strict bodies, forms, events, dependencies."""
