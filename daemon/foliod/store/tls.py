"""TLS to PostgreSQL: which certificates are trusted, and what is said when one is not."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

import certifi

from foliod.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""libpq's, the weakest first."""
SYSTEM: Final = "system"
"""`sslrootcert=system`, as since libpq 16: the authorities that this system trusts."""
FILES: Final = {
    "sslrootcert": "root.crt", "sslcrl": "root.crl", "sslcert": "postgresql.crt", "sslkey": "postgresql.key",
}  # fmt: skip
"""What libpq looks for in ~/.postgresql when nothing is named."""
VERSIONS: Final = {
    "TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}  # fmt: skip


def context(mode: str, parameters: Mapping[str, str]) -> tuple[ssl.SSLContext, bool]:
    """Return the context for `require` or more, and whether it checks certificates.

    `parameters` are libpq's (`sslrootcert`, `sslcert`, …). Without a root certificate those of the system are
    trusted; `require` checks only against one that is named, or that lies in ~/.postgresql, as libpq does.
    Raises ConfigError for what can't be read or does not fit together.
    """
    found = {name: parameters.get(name) or os.environ.get(f"PG{name.upper()}") or _at_home(name) for name in FILES}
    root = found["sslrootcert"]
    if root == SYSTEM and mode != "verify-full":
        msg = f"[database] url: sslrootcert=system needs sslmode=verify-full, not {mode}; leave sslmode out"
        raise ConfigError(msg)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = mode == "verify-full"
    try:
        if mode == "require" and root is None:
            made.verify_mode = ssl.CERT_NONE
        elif root is None or root == SYSTEM:
            trust_system(made)
        else:
            made.load_verify_locations(cafile=root)
        if found["sslcrl"] is not None and made.verify_mode is ssl.CERT_REQUIRED:
            made.load_verify_locations(cafile=found["sslcrl"])
            made.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        if found["sslcert"] is not None:
            password = parameters.get("sslpassword", "")
            made.load_cert_chain(found["sslcert"], keyfile=found["sslkey"], password=lambda: password)
    except (OSError, ValueError) as error:
        names = ", ".join(f"{name}={path}" for name, path in found.items() if path not in (None, SYSTEM))
        msg = f"[database] url: a certificate can't be used: {_why(error)} ({names}); check these files"
        raise ConfigError(msg) from None
    made.minimum_version = _version(parameters, "ssl_min_protocol_version", "TLSv1.2")
    if "ssl_max_protocol_version" in parameters:
        made.maximum_version = _version(parameters, "ssl_max_protocol_version", "")
    made.set_alpn_protocols(["postgresql"])
    return made, made.verify_mode is ssl.CERT_REQUIRED


def trust_system(made: ssl.SSLContext) -> None:
    """Trust the authorities that this system trusts; where it has none, those of Mozilla (certifi)."""
    made.load_default_certs()
    folder = ssl.get_default_verify_paths().capath
    # Those in a folder are read when they are needed, and not counted before.
    if not made.cert_store_stats()["x509_ca"] and not (folder and os.path.isdir(folder) and os.listdir(folder)):
        made.load_verify_locations(cafile=certifi.where())


def distrusted(address: str, error: ssl.SSLError | ConnectionError) -> str | None:
    """Return what to say when TLS is the reason that there is no connection; None when it is not."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return (
            f"PostgreSQL at {address} is not trusted: {why}; name the authority that signed its certificate with "
            "sslrootcert=FILE in [database] url, and the server as its certificate does"
        )
    if isinstance(error, ssl.SSLError):
        return f"PostgreSQL at {address} and foliod could not agree on TLS: {_why(error)}"
    if "rejected SSL upgrade" in str(error):
        return (
            f"PostgreSQL at {address} offers no TLS, without which passwords and documents would cross the network "
            "for all to read: switch it on there (ssl = on); only where the network is trusted, write sslmode=disable "
            "into [database] url"
        )
    return None


def _at_home(name: str) -> str | None:
    try:
        path = Path.home() / ".postgresql" / FILES[name]
        return str(path) if path.exists() else None
    except (RuntimeError, OSError):
        return None


def _version(parameters: Mapping[str, str], name: str, default: str) -> ssl.TLSVersion:
    given = parameters.get(name, default)
    if given not in VERSIONS:
        msg = f"[database] url: {name} must be one of {', '.join(VERSIONS)}"
        raise ConfigError(msg)
    return VERSIONS[given]


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return (isinstance(error, OSError) and error.strerror) or str(error)
