"""The caller's trace, as W3C Trace Context writes it, for the lines of the log that belong to a request.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?", re.DOTALL
)


def trace_of(headers: Sequence[str]) -> dict[str, str]:
    """Return `{trace_id, span_id}` of a request's traceparent headers; nothing when they are none that is valid.

    The span is the caller's: foliod makes none of its own. Headers of versions to come are read as far as this one goes.
    """
    # Two of them contradict each other, and an empty list says nothing.
    if len(headers) != 1:
        return {}
    found = _TRACEPARENT.fullmatch(headers[0].strip(" \t"))
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"] is not None):
        return {}
    if not found["trace"].strip("0") or not found["span"].strip("0"):
        return {}
    return {"trace_id": found["trace"], "span_id": found["span"]}
