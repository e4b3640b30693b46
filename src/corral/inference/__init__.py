"""The inference room: see docs/rooms/inference.md."""
