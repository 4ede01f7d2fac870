"""From passages to an answer: the prompt, the stream, quotes and citations."""
