"""The bus room: see docs/rooms/bus.md."""
