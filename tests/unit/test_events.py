"""The catalogue of events and the code that logs agree, in both directions."""

import ast
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import foliod
from foliod.base.assets import asset
from foliod.base.conform import markdown, problems
from foliod.base.events import ALWAYS, BOUND, EVENTS, FIELDS

LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")
ANY_LEVEL = frozenset({"debug", "info", "warning", "error"})


@dataclass(frozen=True)
class Call:
    """One place in the code that logs."""

    where: str
    event: str
    levels: frozenset[str]
    fields: frozenset[str]
    open: bool
    """Whether more fields come by `**`."""


def levels_of(function: ast.expr, named: dict[str, ast.expr]) -> frozenset[str]:
    """The levels at which a called expression logs; empty when it does not log."""
    if isinstance(function, ast.IfExp):
        return levels_of(function.body, named) | levels_of(function.orelse, named)
    if isinstance(function, ast.Name) and function.id in named:
        return levels_of(named[function.id], {})
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "log":
        assert function.attr in LEVELS, ast.unparse(function)
        return ANY_LEVEL if function.attr == "log" else frozenset({function.attr.replace("exception", "error")})
    return frozenset()


def calls_in(source: str, where: str) -> list[Call]:
    """All calls that log. A logger of another name, or an event that is no literal, is an error."""
    tree = ast.parse(source)
    named = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if ast.unparse(node.value).startswith("structlog.get_logger("):
                assert node.targets[0].id == "log", f"{where}: a logger is called log"
            if isinstance(node.value, ast.IfExp) and levels_of(node.value, {}):
                named[node.targets[0].id] = node.value
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function, args = node.func, node.args
        if ast.unparse(function).endswith("Context().run") and args and levels_of(args[0], named):
            function, args = args[0], args[1:]
        levels = levels_of(function, named)
        if not levels:
            continue
        if levels == ANY_LEVEL:
            args = args[1:]
        place = f"{where}:{node.lineno}"
        assert len(args) == 1, f"{place}: an event and its fields by name"
        assert isinstance(args[0], ast.Constant), f"{place}: the event is a literal"
        names = {keyword.arg for keyword in node.keywords}
        fields = frozenset(name for name in names - {"exc_info"} if name)
        found.append(Call(place, str(args[0].value), levels, fields, None in names))
    return found


@cache
def all_calls() -> list[Call]:
    root = Path(foliod.__file__).parent
    return [
        call for path in sorted(root.rglob("*.py")) for call in calls_in(path.read_text(), str(path.relative_to(root)))
    ]


def disagreements(calls: list[Call]) -> list[str]:
    told: dict[str, list[Call]] = defaultdict(list)
    wrong = []
    for call in calls:
        told[call.event].append(call)
        event = EVENTS.get(call.event)
        if event is None:
            wrong.append(f"{call.where}: {call.event} is not in the catalogue")
            continue
        wrong += [f"{call.where}: level {level}" for level in call.levels - set(event.levels.split())]
        wrong += [f"{call.where}: field {field}" for field in call.fields - event.allowed - BOUND.keys()]
        if not call.open:
            wrong += [f"{call.where}: lacks {field}" for field in event.required - call.fields]
    for name, event in EVENTS.items():
        calls = told[name]
        if not calls:
            wrong.append(f"{name} is told nowhere")
            continue
        fields = frozenset().union(*(call.fields for call in calls))
        if not any(call.open for call in calls):
            wrong += [f"{name}: {field} is given nowhere" for field in event.allowed - fields]
        levels = frozenset().union(*(call.levels for call in calls))
        wrong += [f"{name}: level {level} nowhere" for level in set(event.levels.split()) - levels]
    return wrong


def test_whatever_the_code_logs_is_in_the_catalogue_and_all_of_the_catalogue_is_logged():
    """Every event, level and field in the code is in the catalogue, and the catalogue has no other."""
    calls = all_calls()
    assert len(calls) > 100
    assert disagreements(calls) == []


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('log.info("file_gonee", file=path)', "is not in the catalogue"),
        ('log.error("file_gone", file=path)', "level error"),
        ('log.info("file_gone", file=path, colour=1)', "field colour"),
        ('log.info("file_gone")', "lacks file"),
        ('tell = log.debug if quiet else log.info\ntell("file_gone", file=path)', "level debug"),
    ],
)
def test_a_call_that_differs_from_the_catalogue_is_seen(source, complaint):
    """The check fails for an unknown event, a wrong level, an unknown and a missing field."""
    calls = [call for call in all_calls() if call.event != "file_gone"]
    assert [wrong for wrong in disagreements([*calls, *calls_in(source, "x.py")]) if complaint in wrong]


def test_an_event_that_nobody_tells_is_seen():
    """What the catalogue promises and the code does not log is a failure."""
    calls = [call for call in all_calls() if call.event != "file_gone"]
    assert disagreements(calls) == ["file_gone is told nowhere"]


def test_every_field_has_a_meaning_and_is_used():
    """All fields of events are explained, nothing is explained that no event has."""
    used = frozenset().union(*(event.allowed for event in EVENTS.values()))
    assert used - FIELDS.keys() - BOUND.keys() == frozenset()
    assert FIELDS.keys() - used == frozenset()
    assert not (FIELDS.keys() & BOUND.keys() | FIELDS.keys() & ALWAYS.keys())
    for event in EVENTS.values():
        assert event.meaning.endswith(".")
        assert not event.required & frozenset(event.optional.split())


def test_lines_are_held_against_the_catalogue():
    """A line with another type, a missing or an unknown field is found out, as tests with real daemons do."""
    line = {"event": "file_gone", "level": "info", "logger": "foliod.watch.tell", "timestamp": "t", "file": "/a.pdf"}
    assert problems(line) == []
    assert problems(line | {"request_id": "r", "document": 7}) == []
    assert problems(line | {"file": 3}) == ["file_gone: file is 3, not path"]
    assert problems(line | {"level": "error"}) == ["file_gone: level error"]
    assert problems(line | {"colour": 3}) == ["file_gone: colour is not in the catalogue"]
    assert problems({key: line[key] for key in line if key != "file"}) == ["file_gone: file is missing"]
    assert problems(line | {"event": "file_lost"}) == ["file_lost: no such event in the catalogue"]


def test_the_printed_catalogue_is_the_one_in_force():
    """config/events.md is what `python -m foliod.base.conform` prints."""
    assert asset("config/events.md").read_text() == markdown()
