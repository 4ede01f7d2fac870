"""The commands of an administrator, where nothing runs."""

from __future__ import annotations


def test_where_nothing_is_stored_it_is_said_that_there_are_no_hosts(foliod, environ):
    """`foliod hosts` on an empty state is not silent."""
    told = foliod("hosts")
    assert (told.code, told.out, told.err) == (0, "", "there are no hosts: nothing is stored yet\n")
    assert foliod("hosts", "--json").out == '{"hosts": []}\n'
