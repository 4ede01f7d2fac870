"""Folders: events are hints, the sweep is the judge. Writes places down in the store, and meets reading only there."""
