"""What embedding costs, for the metrics."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from foliod.base.errors import FoliodError, OllamaTimeoutError
from foliod.base.metrics import EMBED_FAILURES, EMBED_SECONDS, EMBED_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


@contextmanager
def measured(texts: int) -> Iterator[Callable[[tuple[T, int]], tuple[T, int]]]:
    """Measure a request for so many texts; its result, (vectors, tokens), is passed through what is yielded."""
    started = time.perf_counter()

    def brought(result: tuple[T, int]) -> tuple[T, int]:
        EMBED_SECONDS.labels("one" if texts == 1 else "several").observe(time.perf_counter() - started)
        EMBED_TOKENS.inc(result[1])
        return result

    try:
        yield brought
    except TimeoutError:
        EMBED_FAILURES.labels(OllamaTimeoutError.code).inc()
        raise
    except FoliodError as error:
        EMBED_FAILURES.labels(error.code).inc()
        raise
