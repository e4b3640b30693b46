"""The openai surface."""
