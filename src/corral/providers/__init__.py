"""Services that answer: one module a provider, all behind one port. See docs/rooms/providers.md."""
