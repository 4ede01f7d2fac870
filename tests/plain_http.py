"""HTTP without TLS, for tests: httpx alone reads all certificates of the machine at each request, for 20 ms of work."""

from __future__ import annotations

import functools
import ssl
from typing import Final

import httpx

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody, and costs nothing."""

# httpx would give up after 5 s, which a busy machine may need.
get = functools.partial(httpx.get, verify=NO_TLS, timeout=60)
post = functools.partial(httpx.post, verify=NO_TLS, timeout=60)
