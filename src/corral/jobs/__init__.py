"""Background work; filled by later work."""
