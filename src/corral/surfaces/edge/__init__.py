"""The edge surface."""
