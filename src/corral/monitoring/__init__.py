"""Metrics history, log queries and health; filled by later work."""
