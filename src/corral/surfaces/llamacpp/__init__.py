"""The pass-through to llama.cpp engines."""
