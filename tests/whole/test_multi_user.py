"""Several people, one daemon: each sees only the documents of folders that they may read, by whatever route they ask.

The stranger holds the token of the localhost door, which opens no restricted folder; as root, other users of the
machine ask by the socket too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import made_pdfs
from live import Daemon, running, wait_for
from ports import free_port

INSIDER, OUTSIDER = 4711, 4713

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

ASKS = """
import http.client, json, os, socket, sys
uid, path, method, url, body = int(sys.argv[1]), *sys.argv[2:6]
os.setgroups([]); os.setgid(uid); os.setuid(uid)
class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX); self.sock.connect(path)
asked = Local("foliod")
asked.request(method, url, body or None)
answer = asked.getresponse()
print(json.dumps([answer.status, answer.read().decode("utf-8", "replace")]))
"""


class House:
    """The daemon with an open and a restricted folder, and those who ask it."""

    def __init__(self, daemon: Daemon, port: int) -> None:
        self.daemon = daemon
        self.open, self.secret = daemon.base / "open", daemon.base / "secret"
        self.token = (daemon.state / "token").read_text().strip()
        self._door = f"http://127.0.0.1:{port}"

    def stranger(self, method: str, url: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
        """Ask with the token only."""
        answer = httpx.request(
            method, self._door + url, json=body, headers={"Authorization": f"Bearer {self.token}"}, timeout=60
        )
        return answer.status_code, answer.text

    def user(self, uid: int, method: str, url: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
        """Ask as another user, by the socket."""
        command = [sys.executable, "-c", ASKS, str(uid), str(self.daemon.socket), method, url]
        done = subprocess.run(
            [*command, json.dumps(body) if body is not None else ""], capture_output=True, text=True, check=True
        )
        status, text = json.loads(done.stdout)
        return status, text

    def document(self, name: str) -> int:
        """The number of a document, as the daemon's own user knows it."""
        [found] = [
            d["id"] for d in self.daemon.get("/v1/documents")["documents"] if any(p.endswith(name) for p in d["paths"])
        ]
        return int(found)


def config(base: str, port: int, secret: str = f"users = [{INSIDER}]") -> str:
    return (
        f'[server]\nsocket = "{base}/s"\nhttp = "127.0.0.1:{port}"\n'
        f'[[watch]]\npath = "{base}/open"\nsettle_seconds = 0.1\n'
        f'[[watch]]\npath = "{base}/secret"\nsettle_seconds = 0.1\n{secret}\n'
    )


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """Two folders: what lies in the open one, what lies in the restricted one, and one document that lies in both."""
    port = free_port()
    with running(start=False) as daemon:
        daemon.config.write_text(
            f'state_dir = "{daemon.state}"\n[ollama]\nurl = "http://127.0.0.1:9"\nchat_model = ""\n'
            + config(str(daemon.base), port)
        )
        for folder in ("open", "secret"):
            (daemon.base / folder).mkdir()
        (daemon.base / "open/cats.pdf").write_bytes(
            made_pdfs.letters("The domestic cat sleeps for sixteen hours a day.")
        )
        (daemon.base / "secret/zebrafusion.pdf").write_bytes(
            made_pdfs.letters("The quokka merger is signed on Friday. The domestic cat is not told.")
        )
        (daemon.base / "secret/broken.pdf").write_bytes(b"%PDF-1.7\nnothing\n%%EOF")
        both = made_pdfs.letters("The canteen of both houses opens at noon, except on holidays.")
        (daemon.base / "open/canteen.pdf").write_bytes(both)
        (daemon.base / "secret/wolverine.pdf").write_bytes(both)
        daemon.start()
        wait_for(
            lambda: (s := daemon.status()["documents"]) and (s["stored"], s["damaged"]) == (3, 1), why="all to be read"
        )
        wait_for(lambda: daemon.status()["files"] == 5, why="all places to be known")
        daemon.socket.chmod(0o666)
        yield House(daemon, port)


def leaks(text: str) -> list[str]:
    """What an answer tells of the restricted folder."""
    return [word for word in ("secret", "zebra", "quokka", "wolverine", "broken") if word in text.lower()]


def everything(house: House) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Every route, asked for the restricted documents and for all."""
    hidden = house.document("zebrafusion.pdf")
    shared = house.document("canteen.pdf")
    secret = str(house.secret)
    asked: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", "/v1/search", {"query": "quokka merger"}),
        ("POST", "/v1/search", {"query": "domestic cat"}),
        ("POST", "/v1/search", {"query": "zebrafusion wolverine canteen"}),
        ("POST", "/v1/search", {"query": "canteen", "mode": "keyword", "document": shared}),
        ("POST", "/v1/ask", {"question": "When is the quokka merger signed?"}),
        ("POST", "/v1/ask", {"question": "When does the canteen open?", "stream": False}),
        ("GET", "/v1/documents", None),
        ("GET", "/v1/documents?q=zebra", None),
        ("GET", "/v1/documents?q=wolverine", None),
        ("GET", "/v1/documents?state=damaged", None),
        ("GET", f"/v1/documents/{shared}", None),
        ("GET", f"/v1/explain?path={house.open}/canteen.pdf", None),
        ("GET", f"/v1/explain?path={house.open}", None),
        ("GET", f"/v1/documents/{shared}/file", None),
        ("GET", f"/v1/documents/{hidden}", None),
        ("GET", f"/v1/documents/{hidden}/file", None),
        ("GET", f"/v1/documents/{hidden}/pages/1.png", None),
        ("POST", "/v1/search", {"query": "cat", "document": hidden}),
        ("POST", "/v1/retry", {"document": hidden}),
        ("POST", "/v1/retry", {"all": True}),
        ("GET", "/v1/status", None),
        ("GET", "/readyz", None),
        ("GET", "/v1/reembed", None),
    ]
    # Their own words come back in these, so what they tell is looked at apart.
    named: list[tuple[str, str, dict[str, Any] | None]] = [
        ("GET", f"/v1/explain?path={secret}/zebrafusion.pdf", None),
        ("GET", f"/v1/explain?path={secret}", None),
        ("POST", "/v1/retry", {"path": f"{secret}/broken.pdf"}),
        ("POST", "/v1/forget", {"root": secret}),
        ("POST", "/v1/search", {"query": "cat", "wait": f"{secret}/zebrafusion.pdf"}),
    ]
    for method, url, body in named:
        status, text = house.stranger(method, url, body)
        assert status == 404, (url, text)
        absent = url.replace("zebrafusion", "absent").replace("broken", "absent")
        again = json.loads(json.dumps(body).replace("zebrafusion", "absent").replace("broken", "absent"))
        same = house.stranger(method, absent, again)
        assert text.replace("zebrafusion", "absent").replace("broken", "absent") == same[1], "as if nothing were there"
    return asked


def test_no_route_tells_a_stranger_of_a_restricted_folder(house):
    """Whatever is asked, who may not read a folder learns neither its text, nor its names, nor that it is there."""
    for method, url, body in everything(house):
        status, text = house.stranger(method, url, body)
        text = text.replace(json.dumps(body.get("query") or body.get("question"))[1:-1], "") if body else text
        assert status < 500, (url, text)
        assert not leaks(text), (url, text)


def test_what_is_hidden_is_as_if_it_were_not_there(house):
    """A number that may not be seen gets what a number that nobody has gets."""
    hidden = house.document("zebrafusion.pdf")
    for url in ("/v1/documents/{}", "/v1/documents/{}/file", "/v1/documents/{}/pages/1.png?chunk=1"):
        seen, missing = house.stranger("GET", url.format(hidden)), house.stranger("GET", url.format(999_999))
        assert seen[0] == missing[0] == 404
        assert seen[1].replace(str(hidden), "N") == missing[1].replace("999999", "N")


def test_what_is_hidden_can_not_be_acted_upon(house):
    """A stranger can neither have hidden documents read again nor ask within them."""
    hidden, broken = house.document("zebrafusion.pdf"), house.document("broken.pdf")
    for number in (hidden, broken):
        assert house.stranger("POST", "/v1/retry", {"document": number})[0] == 404
        assert house.stranger("POST", "/v1/search", {"query": "cat", "document": number})[0] == 404
        assert house.stranger("POST", "/v1/ask", {"question": "cat?", "document": number})[0] == 404
    before = house.daemon.get("/v1/explain", path=str(house.secret / "broken.pdf"))["history"]
    assert json.loads(house.stranger("POST", "/v1/retry", {"all": True})[1])["documents"] == []
    assert house.daemon.get("/v1/explain", path=str(house.secret / "broken.pdf"))["history"] == before


def test_numbers_are_of_what_may_be_seen(house):
    """Counts of documents, files, passages and folders, and what an answer could see, leave out what is restricted."""
    status = json.loads(house.stranger("GET", "/v1/status")[1])
    assert {k: v for k, v in status["documents"].items() if v} == {"stored": 2}
    assert (status["files"], status["chunks"], len(status["roots"])) == (2, 2, 1)
    assert status["counters"] == {}
    assert status["backlog"] == {
        "documents": 2,
        "pages_per_s": None,
        "eta_s": None,
        "waiting": status["backlog"]["waiting"],
    }
    path = f"{house.open}/canteen.pdf"
    told = json.loads(house.stranger("GET", f"/v1/explain?path={path}")[1])
    assert (told["progress"]["documents_ahead"], told["progress"]["held_by"]) == (None, None)
    assert {step["by"] for step in told["history"]} == {None}
    assert house.daemon.get("/v1/explain", path=path)["progress"]["documents_ahead"] is not None
    found = json.loads(house.stranger("POST", "/v1/search", {"query": "domestic cat"})[1])
    assert found["coverage"] == {"documents": 2, "pages": 2, "unread_pages": 0, "pending": 0}
    assert found["hits"][0]["document"]["path"] == str(house.open / "cats.pdf")
    assert len(found["hits"]) <= 2
    for query in ("", "?limit=1", "?state=stored", "?q=.pdf"):
        listed = json.loads(house.stranger("GET", f"/v1/documents{query}")[1])["documents"]
        assert {document["path"] for document in listed} <= {
            str(house.open / "cats.pdf"),
            str(house.open / "canteen.pdf"),
        }
        assert None not in {document["path"] for document in listed}
    assert json.loads(house.stranger("GET", "/v1/documents?state=damaged")[1])["documents"] == []
    whole = house.daemon.status()
    assert {k: v for k, v in whole["documents"].items() if v} == {"stored": 3, "damaged": 1}
    assert (whole["files"], len(whole["roots"])) == (5, 2)


def test_of_a_document_in_both_only_the_open_place_is_told(house):
    """The same bytes in two folders are one document, and each sees the places that they may see."""
    shared = house.document("canteen.pdf")
    told = json.loads(house.stranger("GET", f"/v1/documents/{shared}")[1])
    assert told["paths"] == [str(house.open / "canteen.pdf")]
    assert [file["path"] for file in told["files"]] == told["paths"]
    hit, *_ = json.loads(house.stranger("POST", "/v1/search", {"query": "canteen noon"})[1])["hits"]
    assert (hit["document"]["paths"], hit["document"]["places"]) == (told["paths"], 1)
    # By a name that it has in the other folder it is not found to be the one that is meant.
    named = json.loads(house.stranger("POST", "/v1/search", {"query": "wolverine noon"})[1])["hits"]
    assert not named[0]["scores"]["title"]
    assert house.daemon.search("wolverine noon")["hits"][0]["scores"]["title"] > 0
    # By its open name it is, as what lies in the open folder alone.
    for query in ("canteen noon", "cats asleep"):
        assert json.loads(house.stranger("POST", "/v1/search", {"query": query})[1])["hits"][0]["scores"]["title"] > 0
    none = house.stranger("POST", "/v1/search", {"query": "canteen", "folder": str(house.secret)})
    assert json.loads(none[1])["hits"] == []


def test_only_our_own_user_changes_the_model_for_all(house):
    """Embedding everything anew, or dropping vectors, is for root and the daemon's own user."""
    for body in ({}, {"model": "other"}, {"cancel": True}, {"drop": "x"}):
        assert house.stranger("POST", "/v1/reembed", body)[0] == 403
    assert house.stranger("GET", "/v1/reembed")[0] == 403


@as_root
def test_users_see_what_they_may_read(house):
    """By the socket, the listed user reads the restricted folder, another user does not."""
    hidden = house.document("zebrafusion.pdf")
    status, text = house.user(INSIDER, "POST", "/v1/search", {"query": "quokka merger"})
    assert status == 200
    assert "zebrafusion" in text
    assert house.user(INSIDER, "GET", f"/v1/documents/{hidden}/file")[0] == 200
    assert house.user(INSIDER, "GET", f"/v1/explain?path={house.secret}/zebrafusion.pdf")[0] == 200
    assert house.user(INSIDER, "POST", "/v1/reembed", {})[0] == 403
    for method, url, body in everything(house)[:17]:
        status, text = house.user(OUTSIDER, method, url, body)
        text = text.replace(json.dumps(body.get("query") or body.get("question"))[1:-1], "") if body else text
        assert not leaks(text), (url, text)


def test_a_path_can_not_climb_out_of_its_folder(house):
    """`..`, and links that lead out, tell nothing of what lies outside: not even whether it is there."""
    outside = house.daemon.base / "outside"
    outside.mkdir()
    (outside / "there.pdf").write_bytes(made_pdfs.letters("outside"))
    (house.open / "ladder").symlink_to(outside)
    try:
        for there, absent in (
            (f"{house.open}/../outside/there.pdf", f"{house.open}/../outside/absent.pdf"),
            (f"{house.open}/ladder/there.pdf", f"{house.open}/ladder/absent.pdf"),
            ("/etc/passwd", "/etc/absent"),
        ):
            for ask in (
                house.stranger,
                lambda *a: (r := house.daemon.request(a[0], a[1], json=a[2])) and (r.status_code, r.text),
            ):
                for method, url, key in (
                    ("POST", "/v1/search", "wait"),
                    ("POST", "/v1/retry", "path"),
                    ("POST", "/v1/forget", "root"),
                ):
                    said = []
                    for path in (there, absent):
                        body = {key: path} | ({"query": "x"} if key == "wait" else {})
                        status, text = ask(method, url, body)
                        said.append((status, text.replace("there.pdf", "absent.pdf").replace("passwd", "absent")))
                    assert said[0] == said[1], (url, there)
                    assert said[0][0] == (202 if "ladder" in there and key == "path" else 404), said
        for path in (f"{house.open}/ladder/there.pdf", f"{house.open}/ladder/absent.pdf"):
            told = house.daemon.get("/v1/explain", path=path)
            assert told["reason"] == "it lies behind a link to a folder, which is not followed"
            assert told["folder"]["stat"] is None
    finally:
        (house.open / "ladder").unlink()


def test_a_removed_folder_stays_restricted():
    """A reload opens and restricts at once; a restricted folder that the configuration names no more is not thrown open."""
    port = free_port()
    with running(start=False) as daemon:
        base = str(daemon.base)
        head = f'state_dir = "{daemon.state}"\n[ollama]\nurl = "http://127.0.0.1:9"\nchat_model = ""\n'
        for folder in ("open", "secret"):
            (daemon.base / folder).mkdir()
        (daemon.base / "secret/plan.pdf").write_bytes(made_pdfs.letters("The quokka plan."))
        daemon.config.write_text(head + config(base, port))
        daemon.start()
        daemon.wait_states(stored=1)
        house = House(daemon, port)

        def found_by_stranger() -> bool:
            return bool(json.loads(house.stranger("POST", "/v1/search", {"query": "quokka plan"})[1])["hits"])

        # What a reload opens or restricts counts from then on.
        assert not found_by_stranger()
        for secret in ("", f"users = [{INSIDER}]"):
            daemon.config.write_text(head + config(base, port, secret))
            daemon.process.send_signal(signal.SIGHUP)
            wait_for(
                lambda secret=secret: found_by_stranger() is not bool(secret), why="the configuration to be read again"
            )
        assert daemon.stop() == 0
        daemon.config.write_text(head + config(base, port).partition(f'[[watch]]\npath = "{base}/secret"')[0])
        daemon.start()
        assert len(daemon.search("quokka plan")["hits"]) == 1
        assert json.loads(house.stranger("POST", "/v1/search", {"query": "quokka plan"})[1])["hits"] == []
        status = house.stranger("GET", "/v1/status")[1]
        assert "secret" not in status
        refused = house.stranger("POST", "/v1/forget", {"root": "/nothing"})
        assert refused == (404, refused[1])
        assert not leaks(refused[1]), "which folders there are is not told"
        same = house.stranger("POST", "/v1/forget", {"root": f"{base}/secret"})
        assert same == (404, refused[1].replace("/nothing", f"{base}/secret"))


def test_what_is_watched_no_more_is_forgotten_by_our_own_people_only():
    """All that was read of a folder is thrown away by nobody who merely may read it."""
    port = free_port()
    with running(start=False) as daemon:
        head = f'state_dir = "{daemon.state}"\n[ollama]\nurl = "http://127.0.0.1:9"\nchat_model = ""\n'
        for folder in ("open", "secret"):
            (daemon.base / folder).mkdir()
        (daemon.base / "open/cats.pdf").write_bytes(made_pdfs.letters("The domestic cat sleeps."))
        daemon.config.write_text(head + config(str(daemon.base), port))
        daemon.start()
        daemon.wait_states(stored=1)
        whole = config(str(daemon.base), port)
        daemon.config.write_text(head + whole.replace(f'path = "{daemon.base}/open"', f'path = "{daemon.base}/other"'))
        (daemon.base / "other").mkdir()
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(
            lambda: (
                (str(daemon.base / "open"), "not_watched")
                in {(root["path"], root["state"]) for root in daemon.status()["roots"]}
            ),
            why="the folder to be watched no more",
        )
        house = House(daemon, port)
        status, text = house.stranger("POST", "/v1/forget", {"root": str(daemon.base / "open")})
        assert status == 403, text
        assert len(daemon.search("domestic cat")["hits"]) == 1
        assert daemon.post("/v1/forget", root=str(daemon.base / "open"))["files"] == 1


def test_a_folder_that_was_divided_gives_no_file_of_its_restricted_part():
    """Of a document that lies in both parts of what was one folder, a stranger gets the open file, by its own name."""
    port = free_port()
    with running(start=False) as daemon:
        head = f'state_dir = "{daemon.state}"\n[ollama]\nurl = "http://127.0.0.1:9"\nchat_model = ""\n'
        both = made_pdfs.letters("The canteen of both houses opens at noon, except on holidays.")
        for name in ("docs/secret/wolverine.pdf", "docs/open/canteen.pdf"):
            file = daemon.base / name
            file.parent.mkdir(parents=True)
            file.write_bytes(both)
        whole = config(f"{daemon.base}/docs", port).replace(f"{daemon.base}/docs/s", f"{daemon.base}/s", 1)
        # The restricted one is known first.
        before = whole.partition("[[watch]]")[0] + f'[[watch]]\npath = "{daemon.base}/docs"\nsettle_seconds = 0.1\n'
        daemon.config.write_text(head + before + 'exclude = ["open"]\n')
        daemon.start()
        daemon.wait_states(stored=1)
        for configured, why in ((before, "both places to be known"), (whole, "the folder to be divided")):
            daemon.config.write_text(head + configured)
            daemon.process.send_signal(signal.SIGHUP)
            wait_for(
                lambda configured=configured: (
                    (status := daemon.status())["files"] == 2
                    and [root["state"] for root in status["roots"]] == ["ok"] * configured.count("[[watch]]")
                ),
                why=why,
            )
        house = House(daemon, port)
        [shown] = json.loads(house.stranger("GET", "/v1/documents")[1])["documents"]
        assert shown["paths"] == [f"{daemon.base}/docs/open/canteen.pdf"]
        url, entry = f"/v1/documents/{shown['id']}", {"Authorization": f"Bearer {house.token}"}
        sent = httpx.get(f"http://127.0.0.1:{port}{url}/file", headers=entry)
        assert (sent.status_code, "canteen.pdf" in sent.headers["Content-Disposition"]) == (200, True), sent.headers
        # The restricted part itself is as if it were not there.
        for method, asked, key in (
            ("GET", "/v1/explain", None),
            ("POST", "/v1/retry", "path"),
            ("POST", "/v1/search", "wait"),
        ):
            said = [
                house.stranger(method, asked, {key: path, **({"query": "x"} if key == "wait" else {})})
                if key
                else house.stranger(method, f"{asked}?path={path}")
                for path in (f"{daemon.base}/docs/secret", f"{daemon.base}/docs/absent")
            ]
            assert said[0] == (404, said[1][1].replace("absent", "secret")), said
        # Nor is anything said of the other when the open one is not there.
        (daemon.base / "docs/open/canteen.pdf").unlink()
        for what in ("/file", "/pages/1.png"):
            status, text = house.stranger("GET", url + what)
            assert (status >= 400, leaks(text)) == (True, []), text
