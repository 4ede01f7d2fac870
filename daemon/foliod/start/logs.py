"""Where the log of the daemon goes, as the configuration says, and that of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foliod.base.logs import set_up_logs
from foliod.base.redact import hide_secrets_of
from foliod.start.state import known_host

if TYPE_CHECKING:
    import logging

    from foliod.base.config import Settings


def open_logs(settings: Settings) -> None:
    """Write the log to standard error, and to Better Stack when there is a token; secrets of the settings are hidden."""
    hide_secrets_of(settings)
    also: list[logging.Handler] = []
    if settings.betterstack.token is not None:
        # Most daemons can do without its libraries.
        from foliod.base.betterstack import Shipper  # noqa: PLC0415

        also.append(Shipper(settings.betterstack, lambda: known_host(settings.state)))
    set_up_logs(settings.log, also=also)


def open_error_log(settings: Settings) -> None:
    """Write only errors: for commands, which tell the rest themselves; secrets of the settings are hidden."""
    hide_secrets_of(settings)
    set_up_logs(settings.log.model_copy(update={"level": "error"}))
