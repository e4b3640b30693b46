"""Reproducible measurements: `make bench`, or `python -m bench --only NAME`."""
