"""The version of foliod, and of what decides which text a PDF gives."""

from importlib import metadata

__version__ = "0.1.0"

REVISION = 3
"""Raised when reading would give more, or something else; documents read by an earlier one are then read again."""
EXTRACTOR = f"{REVISION}+pymupdf-{metadata.version('pymupdf')}"
"""Changes when pages would be read or cleaned differently; half-read documents are then read anew."""
