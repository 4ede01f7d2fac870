"""Ollama, and nothing but its API."""
