"""The ollama surface."""
