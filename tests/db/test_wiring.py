"""What a new configuration leaves as it is."""

from __future__ import annotations

from foliod.base.config import Ingest, Search, Settings
from foliod.base.telemetry import Telemetry
from foliod.ingest.embedders import Embedders
from foliod.ingest.workers import Workers
from foliod.ollama.inference import Inference
from foliod.serve.services import Services
from foliod.start.state import open_state
from foliod.start.wiring import Wiring


async def test_pictures_of_pages_are_kept_by_a_reload_that_does_not_concern_them(db, tmp_path):
    """A reload for another limit of search does not have all pages drawn anew; one of what a reader may use does."""
    settings, telemetry = Settings(state_dir=tmp_path), Telemetry()
    with open_state(tmp_path) as state:
        inference = Inference(settings.ollama)
        embedders = Embedders(inference, settings.ollama)
        wiring = Wiring(
            settings, db, state, inference, embedders, telemetry.counters, Workers(1), Workers(1), Workers(1), tuple
        )

        def served(settings: Settings) -> object:
            return wiring.services(Services(settings, telemetry, embedders.health)).facsimiles

        before = served(settings)
        assert served(settings.model_copy(update={"search": Search(limit=3)})) is before
        less = settings.model_copy(update={"ingest": Ingest(worker_memory_mb=300)})
        assert served(less) is not before
        assert served(less) is served(less)
