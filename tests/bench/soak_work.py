"""Who works with a daemon during a soak: somebody in its folder, and clients that ask, hang up, and read slowly."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from crash_folder import WORDS, Folder, pdf
from soak_faults import Excuses

from live import Daemon
from made_pdfs import letters, scanned
from nasty_pdfs import PDFS

HOSTILE = (
    "text_named", "html_named", "png_named", "random_64k", "header_only", "truncated", "zero_filled", "lost_tree",
    "corrupt_stream", "crowded_page", "deep_tree", "tree_in_a_circle", "two_billion_pages", "form_in_itself",
    "nested_arrays", "zero_pages", "nul", "lone_surrogates", "wrong_letters", "user_password", "owner_password",
    "portfolio",
)  # fmt: skip
"""Those of tests/nasty_pdfs.py that cost little, so that the rate stays steady."""
HOSTILE_SHARE = 0.1
SCAN_SHARE = 0.02
PATIENCE = 60.0


class Work(Folder):
    """Works in a folder that keeps its size: what comes, changes and goes is new content each time.

    `expected` tells by SHA-256 of everything ever written in which states it may end.
    """

    def __init__(self, folder: Path, *, seed: str, rate: float, files: int, ocr: bool) -> None:
        """`rate` changes a second are made, about `files` files are there."""
        super().__init__(folder, seed)
        self.still = threading.Lock()
        self.expected: dict[str, frozenset[str]] = {}
        self.made: Counter[str] = Counter()
        self._rate, self._files, self._ocr = rate, files, ocr
        self._hostile: dict[str, bytes] = {}

    def fill(self) -> None:
        """Bring the folder to its size."""
        while len(self._pages) < self._files:
            self.add()

    def run(self) -> None:
        ways: dict[Callable[[], None], int] = {
            self.add: 20, self.add_slowly: 6, self.change_same_size: 9, self.change: 6, self.replace: 8, self.move: 12,
            self.copy: 6, self.delete: 20, self.move_folder: 3, self.delete_folder: 1, self.touch: 3,
        }  # fmt: skip
        try:
            while not self._ended.wait(self._dice.expovariate(self._rate)):
                (way,) = self._dice.choices(list(ways), list(ways.values()))
                if len(self._pages) > 1.1 * self._files:
                    way = self.delete
                elif len(self._pages) < 0.9 * self._files:
                    way = self.add
                with self.still:
                    self._do(way)
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self.broken = error

    def change_same_size(self, path: Path | None = None) -> None:
        """Only of PDFs whose size is a matter of their pages."""
        if pdfs := [path for path, pages in self._pages.items() if pages]:
            super().change_same_size(path or self._dice.choice(pdfs))

    def _content(self, pages: int | None = None) -> tuple[bytes, int]:
        kind, states = self._dice.random() if pages is None else 1.0, {"ready"}
        serial = self._number()
        if kind < HOSTILE_SHARE:
            name = self._dice.choice(HOSTILE)
            if name not in self._hostile:
                self._hostile[name] = PDFS[name].make()
            data, pages = self._hostile[name] + b"\n%% %08d\n" % serial, 0
            states = {state.replace("stored", "ready") for state in PDFS[name].state.split(" or ")}
        elif kind < HOSTILE_SHARE + SCAN_SHARE:
            text = "\n".join(" ".join(self._dice.choice(WORDS) for _ in range(5)) for _ in range(4))
            name, data, pages = "scan", scanned(letters(f"Sheet {serial}\n{text}"), dpi=100), 0
            states = {"ready"} if self._ocr else {"needs_ocr"}
        else:
            name, pages = "good", pages or round(30 ** self._dice.random())
            data = pdf(serial, pages)
        self.made[name] += 1
        self.expected[hashlib.sha256(data).hexdigest()] = frozenset(states)
        return data, pages

    def some(self, dice: random.Random) -> Path | None:
        """A file that is there, or was a moment ago."""
        files = list(self._pages)
        return dice.choice(files) if files else None


class Client(threading.Thread):
    """Asks at a rate, one thing after the other, and notes every answer that is not as it should be."""

    def __init__(self, daemon: Daemon, work: Work, excuses: Excuses, *, seed: str, rate: float) -> None:
        super().__init__(name=f"client {seed}")
        self.done: Counter[str] = Counter()
        self.seconds: list[float] = []
        """What searches took."""
        self.excused: Counter[str] = Counter()
        self.unexpected: list[dict[str, Any]] = []
        self._daemon, self._work, self._excuses = daemon, work, excuses
        self._dice = random.Random(seed)
        self._rate = rate
        self._ended = threading.Event()
        self._ways: dict[Callable[[httpx.Client], None], int] = {
            self.search: 30, self.search_and_leave: 4, self.ask: 8, self.ask_at_once: 3, self.ask_and_leave: 6,
            self.ask_slowly: 3, self.status: 10, self.documents: 4, self.document: 5, self.file: 5, self.picture: 4,
            self.explain: 5, self.retry: 1, self.nonsense: 2, self.metrics: 2, self.wait: 2, self.leave_at_once: 2,
        }  # fmt: skip

    def stop(self) -> None:
        self._ended.set()

    def run(self) -> None:
        client = self._daemon.client(PATIENCE)
        while not self._ended.wait(self._dice.expovariate(self._rate)):
            if self._dice.random() < 0.2:
                # Some keep their connection for long, others come and go.
                client.close()
                client = self._daemon.client(PATIENCE)
            (way,) = self._dice.choices(list(self._ways), list(self._ways.values()))
            self.do(way, client)
        client.close()

    def everything(self) -> None:
        """Do each thing once, so that all that is kept for later use is there."""
        with self._daemon.client(PATIENCE) as client:
            for way in self._ways:
                self.do(way, client)

    def do(self, way: Callable[[httpx.Client], None], client: httpx.Client) -> None:
        name, begun = way.__name__, time.time()
        try:
            way(client)
        except UnexpectedError as wrong:
            self._note(name, wrong.what, str(wrong), begun)
        except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
            self._note(name, "error", f"{type(error).__name__}: {error}", begun)
        self.done[name] += 1

    def _note(self, name: str, what: int | str, message: str, begun: float) -> None:
        if self._excuses.answer(what, begun, ended := time.time()):
            self.excused[f"{name}: {what}"] += 1
        else:
            self.unexpected.append({"at": ended, "request": name, "what": what, "message": message[:500]})

    # --- what is asked ------------------------------------------------------------------

    def search(self, client: httpx.Client) -> None:
        body: dict[str, Any] = {
            "query": self._question(),
            "mode": self._dice.choice(["hybrid"] * 4 + ["keyword", "vector"]),
        }
        if self._dice.random() < 0.2:
            body["folder"] = str(self._daemon.inbox)
        started = time.monotonic()
        answer = _right(client.post("/v1/search", json=body)).json()
        self.seconds.append(time.monotonic() - started)
        if answer["mode"] != body["mode"]:
            raise UnexpectedError(f"{body['mode']} was asked for: {answer.get('note')}", answer["mode"])

    def search_and_leave(self, client: httpx.Client) -> None:
        """Hang up while the answer is being found."""
        self._hurry(client, "POST", "/v1/search", json={"query": self._question(), "limit": 100})

    def ask(self, client: httpx.Client) -> None:
        headers = {"Accept": self._dice.choice(["application/x-ndjson", "text/event-stream"])}
        with client.stream("POST", "/v1/ask", json={"question": self._question()}, headers=headers) as answer:
            _right(answer)
            lines = [line.removeprefix(b"data: ") for line in answer.read().split(b"\n")]
        _done([json.loads(line) for line in lines if line.startswith(b"{")][-1])

    def ask_at_once(self, client: httpx.Client) -> None:
        history = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A document [1]."}]
        body = {"question": self._question(), "stream": False, "history": history[: 2 * self._dice.randint(0, 1)]}
        _done(_right(client.post("/v1/ask", json=body)).json())

    def ask_and_leave(self, client: httpx.Client) -> None:
        """Hang up in the middle of the answer."""
        with client.stream("POST", "/v1/ask", json={"question": self._question()}) as answer:
            _right(answer)
            for number, _ in enumerate(answer.iter_raw(64)):
                if number > self._dice.randint(0, 60):
                    break

    def ask_slowly(self, client: httpx.Client) -> None:
        last = b""
        with client.stream("POST", "/v1/ask", json={"question": self._question(), "limit": 50}) as answer:
            _right(answer)
            for piece in answer.iter_raw(1024):
                last = (last + piece)[-1 << 16 :]
                if not self._ended.is_set():
                    time.sleep(0.02)
        _done(json.loads(last.rstrip(b"\n").rpartition(b"\n")[2]))

    def status(self, client: httpx.Client) -> None:
        _right(client.get("/v1/status"))
        _right(client.get("/readyz"))

    def metrics(self, client: httpx.Client) -> None:
        _right(client.get("/metrics"), 404)

    def documents(self, client: httpx.Client) -> None:
        answer = _right(client.get("/v1/documents", params={"limit": 20})).json()
        if answer["cursor"]:
            _right(client.get("/v1/documents", params={"limit": 20, "cursor": answer["cursor"]}))

    def document(self, client: httpx.Client) -> None:
        if (number := self._number(client)) is not None:
            _right(client.get(f"/v1/documents/{number}"), 404)

    def file(self, client: httpx.Client) -> None:
        """The file may have gone or changed meanwhile, which the answer says, or cuts the answer off."""
        if (number := self._number(client)) is None:
            return
        path = f"/v1/documents/{number}/file"
        if self._dice.random() < 0.3:
            self._hurry(client, "GET", path)
        else:
            headers = self._dice.choice([{}, {"Range": "bytes=0-99"}])
            try:
                _right(client.get(path, headers=headers), 206, 404, 409, 410)
            except httpx.RemoteProtocolError as cut:
                if "incomplete" not in str(cut):
                    raise

    def picture(self, client: httpx.Client) -> None:
        hits = _right(client.post("/v1/search", json={"query": self._question(), "mode": "keyword"})).json()["hits"]
        if hits:
            hit = self._dice.choice(hits)
            path = f"/v1/documents/{hit['document']['id']}/pages/{hit['pages'][0]}.png"
            asked = {"chunk": hit["chunk"], "dpi": 72}
            _right(client.get(path, params=asked), 404, 409, 410)

    def explain(self, client: httpx.Client) -> None:
        path = self._work.some(self._dice) or self._daemon.inbox
        _right(client.get("/v1/explain", params={"path": str(path)}), 404)

    def retry(self, client: httpx.Client) -> None:
        _right(client.post("/v1/retry", json={"path": str(self._work.some(self._dice))}), 202, 404, 409)

    def wait(self, client: httpx.Client) -> None:
        body = {"query": self._question(), "mode": "keyword", "wait": "settled", "wait_seconds": 1}
        _right(client.post("/v1/search", json=body), 504)

    def nonsense(self, client: httpx.Client) -> None:
        expected, answer = self._dice.choice([
            (404, lambda: client.get("/v1/nothing")),
            (404, lambda: client.get("/v1/documents/999999999")),
            (400, lambda: client.post("/v1/search", json={"query": "x", "colour": "red"})),
            (400, lambda: client.post("/v1/ask", content=b"\xff{")),
            (405, lambda: client.delete("/v1/search")),
        ])  # fmt: skip
        if (found := answer()).status_code != expected:
            raise UnexpectedError(f"{expected} was expected: {found.text}", found.status_code)

    def leave_at_once(self, client: httpx.Client) -> None:
        """Connect, say half a request, and go."""
        with socket.socket(socket.AF_UNIX) as half:
            half.connect(str(self._daemon.socket))
            half.sendall(
                b"POST /v1/search HTTP/1.1\r\nHost: foliod\r\nContent-Length: 400\r\n\r\n{"[: self._dice.randint(0, 70)]
            )

    # --- with what ----------------------------------------------------------------------

    def _question(self) -> str:
        words = [self._dice.choice(WORDS) for _ in range(self._dice.randint(1, 6))]
        if self._dice.random() < 0.3 and (path := self._work.some(self._dice)):
            words.append(path.stem)
        return f"Which document says {' '.join(words)}?"

    def _number(self, client: httpx.Client) -> int | None:
        known = _right(client.get("/v1/documents", params={"limit": 100})).json()["documents"]
        return self._dice.choice(known)["id"] if known else None

    def _hurry(self, client: httpx.Client, method: str, path: str, **more: Any) -> None:
        try:
            with client.stream(
                method, path, timeout=httpx.Timeout(PATIENCE, read=self._dice.uniform(0.001, 0.03)), **more
            ):
                pass
        except httpx.ReadTimeout:
            pass


class UnexpectedError(Exception):
    """An answer that is not as it should be, unless a fault explains `what`: a status, or a word for it."""

    def __init__(self, message: str, what: int | str) -> None:
        super().__init__(message)
        self.what = what


def _right(answer: httpx.Response, *also: int) -> httpx.Response:
    if answer.status_code not in (200, *also):
        raise UnexpectedError(answer.read().decode("utf-8", "replace"), answer.status_code)
    return answer


def _done(last: dict[str, Any]) -> None:
    if last.get("type", "done") != "done":
        raise UnexpectedError(json.dumps(last), "error")
    if last["generator"] != "ollama":
        raise UnexpectedError(f"no model wrote the answer: {last.get('note')}", "quotes")
    if last["mode"] != "hybrid":
        raise UnexpectedError(f"no vectors were used: {last.get('note')}", last["mode"])
