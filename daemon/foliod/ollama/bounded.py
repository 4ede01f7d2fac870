"""HTTP connections that bring no more than is asked for: whatever listens at Ollama's address can't fill the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from foliod.ollama.names import Names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MOST_BYTES = 64 << 20
"""Of one answer. The largest there can be: 256 vectors of 4,000 numbers in text are 25 MB, an answer
of 220,000 characters in pieces of one character 55 MB."""


class BoundedTransport(httpx.AsyncHTTPTransport):
    """Breaks off answers of more than MOST_BYTES; refuses compressed ones, whose size nobody knows beforehand."""

    def __init__(self, *, connect_seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._names = Names(connect_seconds)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises httpx.DecodingError when its answer is compressed, or later when it is too large."""
        request.headers["accept-encoding"] = "identity"
        await self._names.find(request.url.host)
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            await response.aclose()
            msg = "the answer is compressed, which was not asked for"
            raise httpx.DecodingError(msg, request=request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Bounded(response.stream)
        return response


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for piece in self._stream:
            left -= len(piece)
            if left < 0:
                raise httpx.DecodingError(f"the answer is larger than {MOST_BYTES >> 20} MB")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
