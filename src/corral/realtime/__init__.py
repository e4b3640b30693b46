"""The realtime room: see docs/rooms/realtime.md."""
