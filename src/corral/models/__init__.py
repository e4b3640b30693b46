"""The models room: see docs/rooms/models.md."""
