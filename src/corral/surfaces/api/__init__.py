"""The api surface."""
