"""What a real daemon tells Prometheus: everything that is documented, and nothing that a client or a file chose."""

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

import plain_http
from betterstack import TOKEN, receiving
from foliod.base.assets import asset
from foliod.base.gathered import described, markdown
from live import Daemon, running, wait_for

SAMPLES = Path(__file__).parents[1] / "samples"
AT_ONCE = 10.0
"""Seconds; far less than any time-out of a query."""


def scraped(daemon: Daemon) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """The values of all series, by the name of their sample."""
    answer = daemon.request("GET", "/metrics")
    assert answer.status_code == 200
    found: dict = {}
    for family in parse(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def value(daemon: Daemon, name: str, **labels: str) -> float | None:
    return scraped(daemon).get(name, {}).get(tuple(sorted(labels.items())))


def names(text: str) -> set[str]:
    return set(re.findall(r"\b(?:foliod|process)_[a-z_]+\b", text))


def test_a_scrape_has_all_that_is_documented(ollama, free_port):
    """After some work every documented metric is there with its labels, and no other; the HTTP door wants its token."""
    with receiving() as receiver:
        config = f'[betterstack]\ntoken = "{TOKEN}"\nhost = "{receiver.url}"\n'
        config += f'[ollama]\nurl = "{ollama}"\nembed_model = "all-minilm"\nchat_model = "scripted"\n'
        with running(config, start=False) as daemon:
            daemon.config.write_text(
                daemon.config.read_text().replace("[server]", f'[server]\nhttp = "127.0.0.1:{free_port}"')
            )
            daemon.start()
            daemon.drop(SAMPLES / "pdflatex-4-pages.pdf")
            daemon.wait_states(ready=1)
            for mode in ("hybrid", "keyword", "vector"):
                daemon.search("text without Zanzibar", mode=mode)
            daemon.ask("Whose page is on Zanzibar?")
            daemon.request("GET", "/Zanzibar/invented")
            daemon.request("ZANZIBAR", "/v1/documents/77")
            daemon.request("GET", "/v1/documents/77")
            daemon.request("GET", "/v1/explain", params={"path": "/Zanzibar"})
            told = {}
            for name, kind, labels, _ in described():
                told |= {
                    name + end: set(labels) for end in (("_bucket", "_count", "_sum") if kind == "histogram" else ("",))
                }
            # What happens only when something goes wrong has no series before.
            quiet = {"foliod_worker_deaths_total", "foliod_embedding_request_failures_total", "foliod_tasks_waiting"}
            unmatched = (("method", "GET"), ("route", "(none)"), ("status", "404"))

            def settled() -> dict | None:
                """A scrape with the numbers of now: some are seconds old, answers count when they end, lines when taken."""
                seen = scraped(daemon)
                return (
                    seen
                    if seen.get("foliod_documents", {}).get((("state", "ready"),)) == 1
                    and seen["foliod_logs_shipped_total"][()] > 0
                    and unmatched in seen["foliod_http_requests_total"]
                    and told.keys() - seen.keys() <= quiet
                    else None
                )

            try:
                found = wait_for(settled, why="all numbers to be there")
            except TimeoutError:
                found = scraped(daemon)
            assert told.keys() - found.keys() - quiet == set()
            assert found.keys() - told.keys() == set()
            for name, series in found.items():
                for labels in series:
                    assert {key for key, _ in labels} - {"le"} == told[name], name

            assert found["foliod_pages_read_total"][()] == 4
            assert found["foliod_build_info"]
            assert found["foliod_database_up"][()] == found["foliod_ollama_up"][()] == found["foliod_ready"][()] == 1
            assert found["foliod_search_duration_seconds_count"][(("mode", "vector"),)] == 1
            stages = {dict(labels)["stage"] for labels in found["foliod_search_stage_duration_seconds_count"]}
            assert stages == {"understand", "embed", "keyword", "candidates", "score", "load", "rects"}
            assert found["foliod_answer_first_token_seconds_count"]
            assert found["foliod_embedding_tokens_total"][()] > 0
            assert found["foliod_pool_connections_max"][()] >= 2
            assert found["foliod_logs_shipped_total"][()] > 0
            assert found["process_resident_memory_bytes"][()] > 1e7
            assert found["process_open_fds"][()] > 5
            assert found["foliod_log_events_total"][(("event", "document_read"), ("level", "info"))] == 1

            # Labels hold nothing that was asked, no path, and no id: they can't become many.
            text = daemon.request("GET", "/metrics").text
            assert "anzibar" not in text.lower()
            assert "/v1/documents/{id}" in text
            assert str(daemon.base) not in text
            assert found["foliod_http_requests_total"][unmatched] == 1
            assert "ZANZIBAR" not in text

            answer = daemon.request(
                "GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
            )
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
            assert len(list(openmetrics(answer.text))) > 30

            door = f"http://127.0.0.1:{free_port}/metrics"
            token = (daemon.state / "token").read_text().strip()
            assert plain_http.get(door, trust_env=False).status_code == 401
            scrape = plain_http.get(door, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
            assert "foliod_documents" in scrape.text


def test_an_outage_of_the_database_fails_no_scrape(free_port):
    """Without a database a scrape answers at once, says so, and has all that the daemon knows by itself."""
    url = f"postgresql://foliod:x@127.0.0.1:{free_port}/foliod"
    with running(f'[database]\nurl = "{url}"\n', start=False) as daemon:
        daemon.start(ready=False)
        wait_for(lambda: daemon.is_alive() and daemon.log_events("waiting"))
        started = time.monotonic()
        found = scraped(daemon)
        assert time.monotonic() - started < AT_ONCE
        assert found["foliod_database_up"][()] == 0
        assert found["foliod_ready"][()] == 0
        assert "foliod_documents" not in found
        assert found["process_resident_memory_bytes"][()] > 0
        assert value(daemon, "foliod_log_events_total", event="waiting", level="warning") >= 1


DOCUMENTS = {
    "foliod_documents",
    "foliod_pages_read_total",
    "foliod_files",
    "foliod_vectors",
    "foliod_watch_events_total",
}


def test_numbers_of_documents_are_for_who_may_see_all(free_port, ollama):
    """Where a folder is not for everybody, the token's holders learn how the daemon is, not what it holds, unless set so."""
    with running(f'[ollama]\nurl = "{ollama}"\nembed_model = "all-minilm"\n', start=False) as daemon:
        text = daemon.config.read_text().replace("[server]", f'[server]\nhttp = "127.0.0.1:{free_port}"')
        daemon.config.write_text(text.replace("[[watch]]", '[[watch]]\nusers = ["root"]'))
        daemon.start()
        daemon.drop(SAMPLES / "pdflatex-4-pages.pdf")
        daemon.wait_states(ready=1)
        daemon.search("text")
        # The numbers of the store may be some seconds old.
        wait_for(lambda: scraped(daemon).keys() >= DOCUMENTS, why="our own user to be told all")
        bearer = {"Authorization": f"Bearer {(daemon.state / 'token').read_text().strip()}"}

        def by_token() -> str:
            return plain_http.get(f"http://127.0.0.1:{free_port}/metrics", headers=bearer, trust_env=False).text

        told = names(by_token())
        always = {"foliod_ready", "foliod_database_up", "foliod_ollama_up", "foliod_roots", "foliod_questions_total"}
        assert told >= always | {"foliod_pool_connections", "foliod_build_info", "foliod_searches_total"}
        assert not told & DOCUMENTS
        assert 'event="document_read"' not in by_token()
        assert 'level="info"' not in by_token()

        daemon.config.write_text(daemon.config.read_text().replace("[server]", '[server]\nmetrics = "all"'))
        daemon.process.send_signal(signal.SIGHUP)
        asked = set().union(*(names(expression) for expression in expressions_of("alerts.yaml")))
        # What happens only when something goes wrong, and what Better Stack needs, has no series before.
        quiet = {"foliod_worker_deaths_total", "foliod_logs_dropped_total"}
        missing = wait_for(lambda: (seen := names(by_token())) >= DOCUMENTS and [asked - seen])[0]
        assert missing <= quiet


def test_the_printed_metrics_are_the_ones_there_are():
    """config/metrics.md is what `python -m foliod.base.gathered` prints."""
    assert asset("config/metrics.md").read_text() == markdown()


def expressions_of(file: str) -> list[str]:
    """What a dashboard or a file of rules asks of Prometheus, variables filled in."""
    text = asset(f"config/{file}").read_text()
    if file == "alerts.yaml":
        return [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    targets = [target for panel in json.loads(text)["panels"] for target in panel.get("targets", [])]
    return [target["expr"].replace("$__rate_interval", "5m").replace("$", "") for target in targets]


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: apt install prometheus)"
)
def test_prometheus_itself_takes_the_rules_and_the_dashboards_expressions(tmp_path):
    """Promtool parses the alert rules and every expression of the dashboard."""
    rules = [{"record": f"r{n}", "expr": expression} for n, expression in enumerate(expressions_of("grafana.json"))]
    (tmp_path / "board.yaml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    for file in (tmp_path / "board.yaml", asset("config/alerts.yaml")):
        result = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("file", ["grafana.json", "alerts.yaml"])
def test_dashboard_and_alerts_use_metrics_that_there_are(file):
    """Every expression is well formed and names only documented metrics, with labels that they have."""
    text = asset(f"config/{file}").read_text()
    expressions = expressions_of(file)
    if file == "alerts.yaml":
        for rule in (rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]):
            assert rule["annotations"].keys() == {"summary", "description"}
            assert rule["labels"]["severity"] in ("critical", "warning")
    else:
        ids = [panel["id"] for panel in json.loads(text)["panels"]]
        assert len(ids) == len(set(ids))
    assert len(expressions) > 8
    labels_of = {}
    for name, kind, labels, _ in described():
        for end in ("_bucket", "_count", "_sum") if kind == "histogram" else ("",):
            labels_of[name + end] = {*labels, "instance", "job", *(["le"] if end == "_bucket" else [])}
    for expression in expressions:
        assert expression.count("(") == expression.count(")"), expression
        assert names(expression), expression
        assert names(expression) <= labels_of.keys(), expression
        known = set().union(*(labels_of[name] for name in names(expression)))
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
        for grouped in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
            used |= {label.strip() for label in grouped.split(",")}
        assert used <= known, expression
        for rate in re.findall(r"\b(?:rate|increase)\(\s*(\w+)", expression):
            assert re.search(r"_(total|bucket|count|sum)$", rate), expression
