"""The making of Cria, the included model. docs/rooms/cria.md tells how."""
