"""The command line's side of the Unix socket: requests, streamed answers, and errors as the daemon means them."""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from foliod.base import errors
from foliod.base.errors import BadRequestError, ConfigError, FoliodError, NotFoundError, NotReadyError, NotRunningError
from foliod.start.knock import CONNECT_SECONDS, knock

# httpx brings a command line of its own, which costs every question 0.3 s of imports. Without
# it, httpx is whole: it is made to be left out.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
import httpx  # noqa: E402 - after the line above

ANSWER_SECONDS = 60.0
"""What the daemon has at hand comes within so long. Questions and waiting may take any time."""
PATIENCE_SECONDS = 10.0
"""A daemon that has too much to do is asked once again, after so long at most."""
STARTING_SECONDS = 60.0
"""A daemon that starts is waited for, as long as PostgreSQL takes after a power cut."""
PAGE = 200
"""Documents asked for at once."""

Event = dict[str, Any]

_BY_CODE = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FoliodError) and kind.__init__ is FoliodError.__init__
}


class Client:
    """A connection to the daemon that listens on the socket at `path`."""

    def __init__(self, path: Path) -> None:
        self.socket = path
        self._http = httpx.Client(
            # No TLS here: without a context of ours, all the certificates of the machine are read at each command.
            transport=httpx.HTTPTransport(uds=os.fspath(path), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
            base_url="http://foliod",
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def answered(self) -> bool:
        """Say whether somebody listens at the socket, us let in or not."""
        try:
            knock(self.socket)
        except FoliodError as error:
            return not isinstance(error, NotRunningError | ConfigError)
        return True

    def status(self) -> dict[str, Any]:
        """Return `/v1/status`. Raises NotRunningError and other FoliodErrors, as all methods do."""
        return self._get("/v1/status")

    def not_ready(self) -> list[str]:
        """Return why the daemon can't answer everything yet; empty when it can."""
        answer = self._send("GET", "/readyz")
        if answer.status_code not in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE):
            raise _error(answer.status_code, answer.content)
        return list(_object(answer.content).get("reasons", []))

    def search(self, query: str, **more: Any) -> dict[str, Any]:
        """Return the answer of `/v1/search`; what is None is not sent."""
        return self._post("/v1/search", {"query": query, **more})

    def settle(self, *, wait: str, wait_seconds: float) -> None:
        """Return when `wait` ("settled" or a path) can be searched, or has come to its end."""
        self.search("foliod", limit=1, mode="keyword", wait=wait, wait_seconds=wait_seconds)

    def documents(self, *, state: str | None = None, limit: int | None = None, **more: str | None) -> dict[str, Any]:
        """Return at most `limit` documents (None is all), as `{"documents": […], "cursor": …}`."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            query = {"state": state, "cursor": cursor, "limit": str(size), **more}
            page = self._get("/v1/documents", _given(query))
            found += page["documents"]
            cursor = page.get("cursor")
            if cursor is None:
                break
        return {"documents": found, "cursor": cursor}

    def document_id(self, name: str) -> int:
        """Return the id of a document that is named by its id, its path, or words of its title or path.

        Raises NotFoundError when none fits, BadRequestError when several do.
        """
        if name.isdecimal():
            return int(name)
        path = os.path.abspath(name)
        found = self.documents(q=os.path.basename(path) or name, limit=PAGE)["documents"]
        exact = [document for document in found if path in document["paths"]] or found
        if not exact:
            msg = f"no document has {name} in its title or path; `foliod documents` lists them"
            raise NotFoundError(msg)
        if len(exact) > 1:
            several = ", ".join(f"{d['id']} ({d['path'] or d['title']})" for d in exact[:3])
            msg = (
                f"{len(exact)} documents fit {name}: {several}{', …' if len(exact) > 3 else ''}; name one by its number"
            )
            raise BadRequestError(msg)
        return int(exact[0]["id"])

    def explain(self, path: str) -> dict[str, Any]:
        """Return everything that is known of a path; its name need not be UTF-8."""
        return self._object("GET", f"/v1/explain?path={quote(os.fsencode(path))}")

    def retry(self, **what: Any) -> dict[str, Any]:
        """Have documents read again: `path`, `document` or `all`; what is None is not sent."""
        return self._post("/v1/retry", what)

    def forget(self, root: str) -> dict[str, Any]:
        """Forget what is missing from a watched folder."""
        return self._post("/v1/forget", {"root": root})

    def spaces(self) -> dict[str, Any]:
        """Return which vectors there are, as `{"reembedding": …, "spaces": […]}`."""
        return self._get("/v1/reembed")

    def reembed(self, **what: Any) -> dict[str, Any]:
        """Have all embedded anew by `model`, or `cancel` that, or `drop` a model's vectors; what is None is not sent."""
        return self._post("/v1/reembed", what)

    def picture(self, document: int, page: int, *, span: tuple[int, int] | None = None) -> bytes:
        """Return a page as a PNG, with what stands on it of a span of the document's text marked."""
        query = None if span is None else {"start": str(span[0]), "end": str(span[1])}
        answer = self._send("GET", f"/v1/documents/{document}/pages/{page}.png", params=query)
        if answer.is_error or answer.headers.get("Content-Type") != "image/png":
            raise _error(answer.status_code, answer.content)
        return answer.content

    def ask(self, question: str, **more: Any) -> Iterator[Event]:
        """Yield the events of `/v1/ask` as they come; what is None is not sent. The last one is `done` or `error`."""
        request = self._http.build_request(
            "POST", "/v1/ask", json=_given({"question": question, **more}), timeout=_patient()
        )
        answer = self._send_request(request, stream=True)
        ended = False
        try:
            if answer.is_error:
                raise _error(answer.status_code, answer.read())
            for line in _lines(answer.iter_bytes()):
                event = _object(line)
                ended = event.get("type") in ("done", "error")
                yield event
        except httpx.HTTPError as error:
            raise _cut() from error
        finally:
            answer.close()
        if not ended:
            raise _cut()

    # --- the wire -----------------------------------------------------------------------

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._object("GET", path, params=query)

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._object("POST", path, json=_given(body), timeout=_patient())

    def _object(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        answer = self._send(method, path, **how)
        if answer.is_error:
            raise _error(answer.status_code, answer.content)
        return _object(answer.content)

    def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        return self._send_request(self._http.build_request(method, path, **how))

    def _send_request(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """Send a request, and again when the daemon says when to come again.

        While it starts for STARTING_SECONDS, when it has too much to do once.
        """
        until = time.monotonic() + STARTING_SECONDS
        asked_again = False
        while True:
            answer = self._send_once(request, stream=stream)
            seconds = _come_again(answer)
            if seconds is None:
                return answer
            starting = isinstance(_error(answer.status_code, answer.read()), NotReadyError)
            if time.monotonic() > until if starting else asked_again:
                return answer
            asked_again = True
            answer.close()
            time.sleep(seconds)

    def _send_once(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        knock(self.socket)
        try:
            return self._http.send(request, stream=stream)
        except httpx.TimeoutException as error:
            msg = f"foliod at {self.socket} did not answer in time; it may be very busy, ask again"
            raise FoliodError(msg) from error
        except httpx.HTTPError as error:
            msg = f"foliod at {self.socket} broke off before it answered; ask again"
            raise FoliodError(msg) from error


def _come_again(answer: httpx.Response) -> float | None:
    """Return in how many seconds an answer asks to come again, None when it does not."""
    after = answer.headers.get("Retry-After", "")
    if (
        answer.status_code not in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
        or not after.isdecimal()
    ):
        return None
    return min(float(after), PATIENCE_SECONDS)


def _patient() -> httpx.Timeout:
    return httpx.Timeout(None, connect=CONNECT_SECONDS)


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _text(value) if isinstance(value, str) else value for key, value in body.items() if value is not None}


def _text(argument: str) -> str:
    """Return an argument as the daemon shows such a name: what is not UTF-8 is replaced."""
    return os.fsencode(argument).decode("utf-8", "replace")


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines that are not empty. Only a newline ends one: JSON may hold all other separators."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        yield from filter(bytes.strip, lines)
    if rest.strip():
        yield rest


def _cut() -> FoliodError:
    msg = "the answer was cut off: foliod stopped or was restarted; ask again"
    return FoliodError(msg)


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        msg = "the answer is not JSON: does another program than foliod listen on the socket?"
        raise FoliodError(msg)
    return found


def _error(status: int, content: bytes) -> FoliodError:
    """Return what the daemon says went wrong, in the class of its code."""
    try:
        told = json.loads(content)["error"]
        code, message = str(told["code"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        return FoliodError(f"foliod answered with status {status} and no explanation; is it the same version?")
    return _BY_CODE.get(code, FoliodError)(message)
