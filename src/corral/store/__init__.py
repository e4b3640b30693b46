"""The store room: see docs/rooms/store.md."""
