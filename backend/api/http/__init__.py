"""What every route shares: error answers, strict bodies, forms, events, dependencies."""
