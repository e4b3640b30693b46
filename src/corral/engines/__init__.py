"""The engines room: see docs/rooms/engines.md."""
