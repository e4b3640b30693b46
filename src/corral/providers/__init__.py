"""The providers room: see docs/rooms/providers.md."""
