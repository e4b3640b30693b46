"""Holds the model file that ships with Corral (written at build time)."""
