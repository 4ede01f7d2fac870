"""The version of foliod, and of what decides which text a PDF gives."""

from importlib import metadata

__version__ = "0.1.0"

EXTRACTOR = f"3+pymupdf-{metadata.version('pymupdf')}"
"""Changes when pages would be read or cleaned differently; half-read documents are then read anew."""
