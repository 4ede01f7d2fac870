"""What is said when foliod's role may not do what it has to."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 3
"""So many are named; one is mostly like the other."""
SCRIPT = "sql/grants.sql"
"""Lies in foliod's sources, and beside its package where it is installed."""


def lacking(address: str, missing: Sequence[str]) -> str:
    """Return the sentence for what a role lacks, in the words of the query `missing_privileges`."""
    more = f", and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return f"foliod's role may not work in {address}: {'; '.join(missing[:SHOWN])}{more}; {SCRIPT} grants what it needs"


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
