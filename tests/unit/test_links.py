"""Links are looked at when what they lead to changes."""

from foliod.watch.links import Links, inside


def test_a_link_is_found_by_what_it_leads_to():
    """A hint for a file, or for a folder that it lies in, is one for all links to it."""
    links = Links()
    links.found({b"/in/a": b"/in/x/1.pdf", b"/in/b": b"/in/x/1.pdf", b"/in/c": b"/in/y.pdf"}, whole=True)
    assert links.to({b"/in/x/1.pdf"}) == links.to({b"/in/x"}) == {b"/in/a", b"/in/b"}
    assert links.to({b"/in/x/2.pdf", b"/in/a"}) == set()
    links.found({b"/in/c": b"/in/x/2.pdf"}, whole=False)
    assert links.to({b"/in/x"}) == {b"/in/a", b"/in/b", b"/in/c"}
    links.found({}, whole=True)
    assert links.to({b"/in/x"}) == set()


def test_a_target_is_named_as_the_walk_names_it():
    """The root may itself be a link: hints name what lies below it by the root's own path."""
    assert inside(b"/real/root/x/1.pdf", b"/real/root", b"/in") == b"/in/x/1.pdf"
    assert inside(b"/x.pdf", b"/", b"/in") == b"/in/x.pdf"
