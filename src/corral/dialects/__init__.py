"""The languages that clients and providers speak, each translated to and from one form. See docs/rooms/dialects.md."""
