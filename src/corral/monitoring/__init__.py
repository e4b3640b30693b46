"""Metrics with their history, and queries of the log. See docs/rooms/monitoring.md."""
