"""Domain-free building blocks: ids, clock, supervised tasks, errors, the loopback HTTP client."""
