"""The agents room: see docs/rooms/agents.md."""
