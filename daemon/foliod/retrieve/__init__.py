"""Search: from a question to passages."""
