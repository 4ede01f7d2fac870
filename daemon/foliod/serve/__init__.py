"""The doors: sockets, routes, streams and status."""
