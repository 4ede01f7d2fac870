"""What is said when foliod's role may not do what it has to."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 6
"""So many sentences are said; one is mostly like the other."""
ALIKE = 2
"""So many things of one kind are named one by one."""
SCRIPT = "sql/grants.sql"
"""Lies in foliod's sources, and beside its package where it is installed."""


def lacking(address: str, missing: Sequence[str]) -> str:
    """Return the sentence for what a role lacks, in the words of the query `missing_privileges`."""
    return f"foliod's role may not work in {address}: {summary(missing)}; {SCRIPT} grants what it needs"


def summary(missing: Sequence[str]) -> str:
    """Return those sentences as one; what is said of many tables or sequences is said once, with one of them."""
    kinds: dict[str, list[str]] = {}
    for sentence in missing:
        what, dot, name = sentence.partition(" foliod.")
        # What does not end with a name is a kind of its own.
        kinds.setdefault(what if dot and " " not in name else sentence, []).append(f"foliod.{name}")
    said = []
    for what, names in kinds.items():
        if what in missing:
            said.append(what)
        elif len(names) <= ALIKE:
            said += [f"{what} {name}" for name in names]
        elif what.endswith(" the sequence"):
            said.append(f"{what.removesuffix(' the sequence')} {len(names)} sequences, such as {names[0]}")
        else:
            said.append(f"{what} {len(names)} tables, such as {names[0]}")
    return "; ".join(said[:SHOWN]) + (f", and {len(said) - SHOWN} more" if len(said) > SHOWN else "")


def may_not_set_up(address: str, why: str) -> str:
    """Return the sentence for a role that may not bring the schema up to date."""
    return (
        f"foliod may not set up {address}: {why}; let the owner of the schema do it with `foliod migrate`, as {SCRIPT} "
        "says; or let an administrator run CREATE EXTENSION vector in this database and GRANT CREATE ON DATABASE to "
        "foliod's user"
    )


def may_not_replace(role: str, owner: str) -> str:
    """Return the sentence for a role that may not restore, since another one owns the schema."""
    return (
        f"the role {role} may not replace what the schema foliod holds, which {owner} owns: use the owner's URL "
        "(FOLIOD_DATABASE__URL=OWNER_URL foliod restore …)"
    )


def may_not_create(role: str) -> str:
    """Return the sentence for a role that may not restore, since it may not make the schema."""
    return (
        f"there is no schema foliod in this database, and the role {role} may not make it: run {SCRIPT} and use the "
        f"owner's URL, or let an administrator run GRANT CREATE ON DATABASE … TO {role}"
    )
