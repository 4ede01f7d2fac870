"""The service manager that a service is installed with: the system's, or the user's own. Asks systemctl."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from foliod.base.errors import ConflictError, FoliodError, ForbiddenError

BOOTED: Final = Path("/run/systemd/system")
"""There when the machine was booted with systemd (sd_booted(3))."""
PACKAGED: Final = tuple(Path(base, "systemd") for base in ("/usr/local/lib", "/usr/lib", "/lib"))
"""Where packages of a distribution keep their units, in folders `system` and `user`."""
SOCKET: Final = "foliod.socket"
SERVICE: Final = "foliod.service"
START_SECONDS: Final = 600.0
"""systemctl waits until the daemon is ready; systemd gives up sooner unless the daemon asks for more time."""

NONE_HERE: Final = "this machine does not run systemd; start foliod by what it runs instead, as: foliod run"


class Manager:
    """The system's service manager, or with `user` that of whoever runs this."""

    def __init__(self, *, user: bool) -> None:
        self.user = user

    def check(self) -> None:
        """Raise FoliodError, with what to do, when it can't be asked by us."""
        if not runs_here():
            raise ConflictError(NONE_HERE)
        if not self.user:
            if os.geteuid() != 0:
                msg = (
                    "a service for the whole machine is installed by root: run this with sudo, or install one for "
                    "yourself: foliod service install --user"
                )
                raise ForbiddenError(msg)
            return
        if os.geteuid() == 0 and (caller := os.environ.get("SUDO_USER", "root")) != "root":
            msg = f"--user is the service of whoever runs this, and with sudo that is root; run it as {caller}, without sudo"
            raise FoliodError(msg)
        done = self.call("show-environment", check=False)
        if done.returncode != 0:
            uid, name = os.geteuid(), me()
            msg = (
                f"the service manager of {name} can't be reached ({_reason(done)}); log in as {name} (su and sudo are "
                f"no login), or have root run `loginctl enable-linger {name}`, and set XDG_RUNTIME_DIR=/run/user/{uid}"
            )
            raise FoliodError(msg)

    def packaged(self) -> Path | None:
        """Return a unit of this name that a package of the distribution brought."""
        kind = "user" if self.user else "system"
        found = [base / kind / SERVICE for base in PACKAGED if (base / kind / SERVICE).exists()]
        return found[0] if found else None

    def version(self) -> int:
        """Return systemd's version, such as 252; 0 when it does not tell."""
        done = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=False)
        found = re.match(r"systemd (\d+)", done.stdout)
        return int(found[1]) if found else 0

    def call(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run systemctl. Raises FoliodError when it fails."""
        command = self.command(*words)
        try:
            done = subprocess.run(
                [*command, "--no-pager"], capture_output=True, text=True, check=False, timeout=START_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise FoliodError(f"`{' '.join(command)}` did not end within {START_SECONDS:.0f} s") from None
        if check and done.returncode != 0:
            raise FoliodError(f"`{' '.join(command)}` failed: {_reason(done)}")
        return done

    def command(self, *words: str) -> list[str]:
        """Return the command line, for people too."""
        return ["systemctl", *(["--user"] if self.user else []), *words]

    def property(self, name: str, unit: str = SERVICE) -> str:
        """Return a property of a unit, such as ActiveState; empty when there is none."""
        return self.call("show", "--property", name, "--value", unit, check=False).stdout.strip()

    def start(self, *words: str) -> None:
        """Start or restart, and wait until the daemon is ready. Raises FoliodError with what it said last."""
        try:
            self.call(*words)
        except FoliodError as error:
            log = self.log()
            raise FoliodError(f"{error.message}{chr(10) if log else ''}{log}") from None

    def log(self, lines: int = 8) -> str:
        """Return the last lines that the service left in the journal."""
        command = ["journalctl", *(["--user"] if self.user else []), "--unit", SERVICE]
        done = subprocess.run(
            [*command, "--output", "cat", "--lines", str(lines), "--no-pager", "--quiet"],
            capture_output=True, text=True, check=False, errors="replace",
        )  # fmt: skip
        return done.stdout.strip()

    def takes_user_namespace(self) -> bool:
        """Whether a service may have a user namespace of its own, tried out; a user's manager needs one to restrict it."""
        command = ["systemd-run", "--user", "--wait", "--collect", "--quiet", "--property", "PrivateUsers=yes"]
        done = subprocess.run(
            [*command, "--property", "ProtectSystem=strict", "--property", "PrivateTmp=yes", "true"],
            capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode == 0


class Imagined(Manager):
    """Stands in a rehearsal for the one of a machine that runs systemd: nothing is installed there, and nothing runs."""

    def check(self) -> None:
        """Find nothing wrong."""

    def version(self) -> int:
        """Return that it is not known."""
        return 0

    def property(self, name: str, unit: str = SERVICE) -> str:  # noqa: ARG002 - of no unit anything is known
        """Return that nothing is known."""
        return ""

    def takes_user_namespace(self) -> bool:
        """Return that nothing is left out of the units."""
        return True


def runs_here() -> bool:
    """Whether this machine runs systemd."""
    return BOOTED.is_dir() and shutil.which("systemctl") is not None


def me() -> str:
    """Return the name of whoever runs this."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def lingers(name: str) -> bool:
    """Whether a user's services run while the user is not logged in."""
    done = subprocess.run(
        ["loginctl", "show-user", name, "--property", "Linger", "--value"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() == "yes" or Path("/var/lib/systemd/linger", name).exists()


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    said = " ".join((done.stderr or done.stdout).split())
    return said or f"exit code {done.returncode}"
