"""Commands, and the life of the daemon."""
