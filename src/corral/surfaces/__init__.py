"""Wire dialects over HTTP."""
