"""What is looked up when Prometheus asks: numbers of the store, of the pool, of the log; and how all is written out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

# Before the library, which looks at the environment when it is imported.
from foliod.base.metrics import OF_DOCUMENTS, REGISTRY

# isort: split
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

if TYPE_CHECKING:
    from prometheus_client import Metric


@dataclass(frozen=True, slots=True)
class Series:
    """A metric: counters have `_total` at the end of their name."""

    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...] = ()


COUNTED: dict[str, str] = {
    "bytes_hashed": "Bytes of files read to know their content.",
    "documents_read": "Documents read to their end.",
    "documents_renewed": "Documents read again by a newer extractor.",
    "duplicates": "Files with the content of another one.",
    "files_hashed": "Files read to know their content.",
    "pages_parsed": "Pages parsed.",
    "pages_read": "Pages parsed and stored.",
    "pages_recognised": "Scanned pages recognised.",
    "questions": "Questions asked.",
    "searches": "Searches asked for, those of questions not included.",
    "texts_embedded": "Passages that got their vector.",
    "texts_reembedded": "Passages that got their vector of another model.",
}
"""Counts since start by name (`telemetry.Counters`); exported as `foliod_<name>_total`."""

ASKED: Final = frozenset({"questions", "searches"})
"""Those of COUNTED that don't grow when a document comes."""

GATHERED: dict[str, Series] = {
    "foliod_build_info": Series("gauge", "1, with the version as a label.", ("version", "extractor")),
    "foliod_ready": Series("gauge", "1 when questions can be answered and every folder was looked through."),
    "foliod_database_up": Series("gauge", "1 when PostgreSQL answers."),
    "foliod_ollama_up": Series("gauge", "1 when Ollama answers."),
    "foliod_store_numbers_age_seconds": Series(
        "gauge", "How old the numbers of the store are: they stay while the database is away."
    ),
    "foliod_documents": Series("gauge", "Documents by state.", ("state",)),
    "foliod_files": Series("gauge", "Files in watched folders."),
    "foliod_pages": Series("gauge", "Pages of documents."),
    "foliod_chunks": Series("gauge", "Passages."),
    "foliod_vectors": Series("gauge", "Passages that have their vector, and such that miss it.", ("state",)),
    "foliod_texts_refused": Series("gauge", "Texts for which the model gives no vector: found by keyword only."),
    "foliod_backlog_documents": Series("gauge", "Documents that wait to be read or for vectors."),
    "foliod_ocr_backlog_pages": Series("gauge", "Scanned pages that wait to be recognised."),
    "foliod_roots": Series("gauge", "Watched folders by state.", ("state",)),
    "foliod_files_settling": Series("gauge", "Files that were seen and may still be changing."),
    "foliod_tasks_waiting": Series("gauge", "Parts of the daemon that wait for the database or Ollama.", ("task",)),
    "foliod_leases_held": Series("gauge", "Documents claimed by this daemon."),
    "foliod_event_loop_tasks": Series("gauge", "Tasks of the event loop."),
    "foliod_pool_connections": Series("gauge", "Open connections to PostgreSQL.", ("state",)),
    "foliod_pool_connections_max": Series("gauge", "Connections that may be opened."),
    "foliod_pool_waiting": Series("gauge", "Who waits for a connection."),
    "foliod_logs_summed_up_total": Series("counter", "Lines of the log that were counted instead of told."),
    "foliod_logs_shipped_total": Series("counter", "Lines that Better Stack took."),
    "foliod_logs_waiting": Series("gauge", "Lines that wait to be shipped."),
    "foliod_logs_dropped_total": Series("counter", "Lines that Better Stack did not get.", ("cause",)),
} | {f"foliod_{name}_total": Series("counter", help_) for name, help_ in COUNTED.items()}

Values = Mapping[str, float | Mapping[tuple[str, ...], float]]
"""The value of each metric by its name; of one with labels, its values by theirs."""


def exposition(values: Values, accept: str = "", *, whole: bool = True) -> tuple[bytes, str]:
    """Return all metrics as Prometheus reads them, and their content type; takes milliseconds.

    Unless the `whole` may be told, what was observed goes without what grows when a document comes. Raises KeyError
    for a name that GATHERED does not have.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_All(values, whole=whole)), content_type


class _All:
    """What was observed and what was gathered, as one collector."""

    def __init__(self, values: Values, *, whole: bool) -> None:
        self._values = values
        self._whole = whole

    def collect(self) -> Iterator[Metric]:
        for metric in REGISTRY.collect():
            if not self._whole:
                if metric.name in OF_DOCUMENTS:
                    continue
                metric.samples = [one for one in metric.samples if one.labels.get("level") not in ("debug", "info")]
            yield metric
        for name, value in self._values.items():
            series = GATHERED[name]
            family: Any = (CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily)(
                name, series.help, labels=series.labels
            )
            for labels, one in value.items() if isinstance(value, Mapping) else [((), value)]:
                family.add_metric(labels, one)
            yield family


def described() -> Iterable[tuple[str, str, tuple[str, ...], str]]:
    """Yield name, type, labels and help of every metric there is."""
    for metric in REGISTRY.collect():
        collector: Any = REGISTRY._names_to_collectors.get(metric.name)  # noqa: SLF001 - the only way to the labels
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        yield name, metric.type, tuple(getattr(collector, "_labelnames", ())), metric.documentation
    for name, series in GATHERED.items():
        yield name, series.kind, series.labels, series.help


def markdown() -> str:
    """Return all metrics as a page for people."""
    lines = [
        "# Metrics of foliod",
        "",
        "Made from `foliod.base.metrics` and `foliod.base.gathered`; served at `GET /metrics`.",
        "",
        "| Metric | Type | Labels | Means |",
        "|---|---|---|---|",
    ]
    for name, kind, labels, help_ in sorted(described()):
        lines.append(f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {help_} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - this is what it is for
