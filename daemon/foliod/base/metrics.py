"""What is measured while the daemon works, for Prometheus: histograms and labelled counters, observed where it happens.

No label holds a path, a document, a question or anything else that a client or a file can choose: values are few and
known beforehand. What is counted without labels is in `telemetry.Counters`; what is looked up when somebody asks, in
`gathered`. Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` for counts.
"""

from __future__ import annotations

import os
from typing import Final

# The library writes its values into files of that folder instead, when it is imported: for servers of many processes.
for _name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
    os.environ.pop(_name, None)

from prometheus_client import (  # noqa: E402
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

# Each series would have a second one with the time of its first value.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry()
"""Our own: what libraries register by themselves stays out."""

ProcessCollector(registry=REGISTRY)

LATENCIES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds, for what answers at once."""
WAITS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Seconds, for what a model takes part in."""

# --- requests ---
HTTP_REQUESTS: Final = Counter(
    "foliod_http_requests",
    "Requests answered; 499: the client hung up.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
HTTP_SECONDS: Final = Histogram(
    "foliod_http_request_duration_seconds",
    "From a request's headers to the end of its answer.",
    ("route",),
    buckets=WAITS,
    registry=REGISTRY,
)
HTTP_OPEN: Final = Gauge("foliod_http_requests_in_progress", "Requests being answered.", registry=REGISTRY)

# --- searching and answering ---
SEARCH_SECONDS: Final = Histogram(
    "foliod_search_duration_seconds",
    "A search, the embedding of its question included; questions that are answered search too.",
    ("mode",),
    buckets=LATENCIES,
    registry=REGISTRY,
)
STAGES: Final = ("understand", "embed", "keyword", "candidates", "score", "load", "rects")
SEARCH_STAGES: Final = Histogram(
    "foliod_search_stage_duration_seconds",
    "A stage of a search; embed and keyword go on side by side.",
    ("stage",),
    buckets=LATENCIES,
    registry=REGISTRY,
)
FIRST_TOKEN: Final = Histogram(
    "foliod_answer_first_token_seconds",
    "From a question to the first word of its answer.",
    ("generator",),
    buckets=WAITS,
    registry=REGISTRY,
)
ANSWER_SECONDS: Final = Histogram(
    "foliod_answer_duration_seconds",
    "From a question to the end of its answer.",
    ("generator",),
    buckets=WAITS,
    registry=REGISTRY,
)

# --- embedding ---
EMBED_SECONDS: Final = Histogram(
    "foliod_embedding_request_duration_seconds",
    "A request to Ollama that brought vectors: of one text, as questions are, or of several.",
    ("texts",),
    buckets=WAITS,
    registry=REGISTRY,
)
EMBED_TOKENS: Final = Counter("foliod_embedding_tokens", "Tokens embedded, as Ollama counts them.", registry=REGISTRY)
EMBED_FAILURES: Final = Counter(
    "foliod_embedding_request_failures",
    "Requests to Ollama that brought no vectors, by the code of the error.",
    ("code",),
    registry=REGISTRY,
)

# --- the daemon ---
LOOP_LAG: Final = Histogram(
    "foliod_event_loop_lag_seconds",
    "How late the event loop wakes a task that slept for 50 ms: what any request has to wait.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
    registry=REGISTRY,
)
WORKER_STARTS: Final = Counter(
    "foliod_worker_starts", "Processes started to read PDFs, recognise or draw pages.", ("work",), registry=REGISTRY
)
WORKER_DEATHS: Final = Counter(
    "foliod_worker_deaths",
    "Such processes that died or were ended in the middle of their work. killed: by foliod because it misbehaved, or by"
    " the kernel; forbidden_call: it tried what reading never needs.",
    ("work", "cause"),
    registry=REGISTRY,
)
WATCH_EVENTS: Final = Counter("foliod_watch_events", "Events of the file system in watched folders.", registry=REGISTRY)
SWEEP_SECONDS: Final = Histogram(
    "foliod_sweep_duration_seconds",
    "Comparing a watched folder with the store.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300),
    registry=REGISTRY,
)
LOG_EVENTS: Final = Counter(
    "foliod_log_events",
    "Events in the log by name (config/events.md), those included that were summed up; library: a library's line.",
    ("event", "level"),
    registry=REGISTRY,
)

OF_DOCUMENTS: Final = frozenset(
    {
        "foliod_embedding_request_duration_seconds",
        "foliod_embedding_tokens",
        "foliod_watch_events",
        "foliod_worker_starts",
    }
)
"""Those that grow when a document comes. Of the log's events those do that tell no trouble."""
