"""Usage events and reports; filled by later work."""
