"""Layer-wise relevance propagation on any traceable CNN: rewrite, rules, propagation."""
