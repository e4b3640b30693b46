"""Attempts at candidates: what is asked of them, and what of their answers goes on."""
