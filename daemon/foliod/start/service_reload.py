"""What `systemctl reload` runs: the daemon reads its configuration again, and who asked for that hears what came of it.

systemd's own way, a signal, tells nothing: a reload would succeed before it has begun, and also with a file that
can't be used.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from foliod.base.errors import BadRequestError, ConfigError, FoliodError

if TYPE_CHECKING:
    from foliod.start.client import Client

LONGEST_SECONDS: Final = 60.0
"""Less than systemd waits for (TimeoutStartSec=)."""
LOOK_SECONDS: Final = 0.05


def reload(client: Client, environ: dict[str, str] | os._Environ[str] = os.environ) -> str:
    """Have the daemon $MAINPID read its configuration again; return what came of it, once it is in force.

    Raises ConfigError when it can't be used and the old one stays in force, FoliodError when the daemon does not get to it.
    """
    main = environ.get("MAINPID", "")
    if not main.isdecimal():
        msg = "this is what the service's unit runs; use: systemctl reload foliod, or systemctl --user reload foliod"
        raise BadRequestError(msg)
    before = _configuration(client)
    os.kill(int(main), signal.SIGHUP)
    until = time.monotonic() + LONGEST_SECONDS
    while (now := _configuration(client)) == before:
        if time.monotonic() > until:
            raise FoliodError(f"the daemon did not read its configuration again within {LONGEST_SECONDS:.0f} s")
        time.sleep(LOOK_SECONDS)
    if now.get("error"):
        raise ConfigError(f"{now['error']}; the old configuration stays in force")
    waiting = ", ".join(now.get("restart_needed") or ())
    return f"in force, but for {waiting}: that takes a restart" if waiting else "in force"


def _configuration(client: Client) -> dict[str, Any]:
    return client.status().get("configuration") or {}
