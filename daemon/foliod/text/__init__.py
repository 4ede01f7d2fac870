"""Text as such: cleaned, cut into sentences and chunks, counted in tokens and terms."""
