"""Installs foliod as a service: files, user, folders, units, in this order.

Everything is looked at before anything is changed. Done twice it changes nothing; after an upgrade it renews what
differs, and starts the service anew.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from foliod.base.errors import BadRequestError, ConfigError, ConflictError
from foliod.base.sources import CREDENTIALS, SYSTEM_CONFIG, SYSTEM_SOCKET, load
from foliod.start import service_reach, service_units
from foliod.start.service_manager import NONE_HERE, SERVICE, SOCKET, Imagined, Manager, lingers, me, runs_here
from foliod.start.service_ready import readiness
from foliod.start.service_state import Inheritance
from foliod.start.service_steps import check, run, write
from foliod.store.lodging import User

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from foliod.base.config import Settings
    from foliod.start.service_steps import Steps

CREDSTORE: Final = Path("/etc/credstore")
KINDS: Final = ("sysusers", "tmpfiles")
"""Of these files the system's service has one each."""
DROP_IN: Final = "10-foliod.conf"
UNITS: Final = (SOCKET, SERVICE)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything belongs: of the system's service, or of a user's."""

    user: bool
    units: Path
    config: Path
    settings: Settings
    state: Path
    socket: Path

    @property
    def drop_in(self) -> Path:
        """The file with what is peculiar to this machine."""
        return self.units / f"{SERVICE}.d" / DROP_IN

    @property
    def others(self) -> list[Path]:
        """Files of ours that are no units."""
        return [] if self.user else [Path(f"/etc/{kind}.d/foliod.conf") for kind in KINDS]


def plan(config: Path | None, watched: Sequence[Path], *, user: bool, lenient: bool = False) -> Plan:
    """Return where everything belongs.

    Raises ConfigError when there is a configuration that can't be used; `lenient` takes the defaults then.
    """
    file = (config or _usual_config(user=user)).absolute()
    try:
        with _environment(user=user) as environ:
            if file.exists():
                settings = load(file, environ=environ)
            else:
                # The sample will be there.
                settings = load(Path(os.devnull), {"watch": [str(path) for path in watched]}, environ=environ)
    except ConfigError:
        if not lenient:
            raise
        settings = load(Path(os.devnull))
    given = settings.server.socket
    if user:
        return Plan(user, _config_home() / "systemd/user", file, settings, settings.state, settings.socket)
    state = settings.state_dir or service_units.SYSTEM_STATE
    return Plan(user, Path("/etc/systemd/system"), file, settings, state, given or SYSTEM_SOCKET)


def install(steps: Steps, manager: Manager, where: Plan, watched: Sequence[Path]) -> list[str]:
    """Install, enable and start the service; return once it can be asked, with what there is still to say.

    A rehearsal tells also on a machine without systemd what would be written.
    Raises FoliodError, before anything is changed where that can be known.
    """
    if steps.rehearsal and not runs_here():
        manager = Imagined(user=where.user)
    manager.check()
    service_reach.check_installation(user=where.user)
    if (packaged := manager.packaged()) is not None:
        raise ConflictError(
            f"{packaged} comes with a package of this system; systemctl enable --now {SOCKET} {SERVICE}"
        )
    if (
        watched
        and where.config.exists()
        and {path.absolute() for path in watched} - {watch.path for watch in where.settings.watch}
    ):
        raise BadRequestError(
            f"{where.config} is there already and is not changed; name the folder there, in a [[watch]] section"
        )
    units = _units(manager, where)
    for path in (*units, *where.others):
        check(path)
    left = Inheritance(where.state, [watch.path for watch in where.settings.watch])
    heir = User(os.geteuid(), os.getegid(), me()) if where.user else service_reach.account()
    left.check(heir, running=manager.property("ActiveState") == "active")
    _prepare(steps, where, left)
    _configure(steps, where, watched)
    changed = [path for path, text in units.items() if steps.sign(path, text)]
    if where.drop_in not in units and steps.unsign(where.drop_in):
        changed.append(where.drop_in)
        steps.tidy(where.drop_in.parent)
    _start(steps, manager, where, changed)
    return _remarks(manager, where)


# --- installing -------------------------------------------------------------------------


def _units(manager: Manager, where: Plan) -> dict[Path, str]:
    """Return the files for the service manager, and what they are to say."""
    default = Path(os.environ.get("XDG_RUNTIME_DIR", "/"), "foliod.sock") if where.user else SYSTEM_SOCKET
    found = {
        where.units / SOCKET: service_units.socket(
            user=where.user, path=None if where.socket == default else where.socket
        ),
        where.units / SERVICE: service_units.service(user=where.user, config=where.config),
    }
    data_home = os.environ.get("XDG_DATA_HOME") if where.user and where.settings.state_dir is None else None
    more = service_units.drop_in(
        user=where.user,
        state=where.state,
        version=manager.version(),
        hosts=service_units.remote_hosts(where.settings),
        data_home=data_home or None,
        namespaces=not where.user or manager.takes_user_namespace(),
    )
    return found | ({where.drop_in: more} if more is not None else {})


def _prepare(steps: Steps, where: Plan, left: Inheritance) -> None:
    """Make the user and the folders; what a foliod without a service `left` becomes the service's."""
    fresh = not where.state.is_dir()
    if not where.user:
        new = service_reach.account() is None
        for kind, path in zip(KINDS, where.others, strict=True):
            steps.sign(path, service_units.file_of(kind))
            # Also when the file was there: somebody may have taken away what it describes.
            if not steps.rehearsal:
                arguments = [str(path)] if kind == "sysusers" else ["--create", str(path)]
                run(f"systemd-{kind}", *arguments)
        if new:
            steps.add("make", f"the user and group {service_reach.NAME}")
    if fresh:
        steps.add("make", where.state, "data")
    if not steps.rehearsal:
        where.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not where.user and (account := service_reach.account()) is not None:
            os.chown(where.state, account.uid, account.gid)
    if not where.user:
        left.give(steps, service_reach.account())


def _configure(steps: Steps, where: Plan, watched: Sequence[Path]) -> None:
    """Write a configuration where there is none."""
    if where.config.exists():
        if not where.user:
            service_reach.check_readable(where.config)
        steps.add("keep", where.config, "configuration")
        return
    steps.add("write", where.config, "configuration")
    if steps.rehearsal:
        return
    text = service_units.sample([path.absolute() for path in watched], user=where.user)
    write(where.config, text, 0o600 if where.user else 0o640)
    if not where.user and (account := service_reach.account()) is not None:
        # The service reads it; who may write it is root.
        os.chown(where.config, 0, account.gid)


def _start(steps: Steps, manager: Manager, where: Plan, changed: Sequence[Path]) -> None:
    both = " and ".join(UNITS)
    if steps.rehearsal:
        if changed or manager.property("ActiveState") != "active":
            steps.add("start", both, "enabled")
        return
    if changed:
        manager.call("daemon-reload")
    if any(manager.property("UnitFileState", unit) != "enabled" for unit in UNITS):
        manager.call("enable", "--quiet", *UNITS)
    running = manager.property("ActiveState") == "active"
    if running and not changed:
        steps.add("keep", both, f"running, {readiness(where.socket, 0)}, at {where.socket}")
        return
    manager.call("reset-failed", *UNITS, check=False)
    # A socket unit that changed listens anew only when it starts anew.
    again = UNITS if where.units / SOCKET in changed or not running else (SERVICE,)
    manager.start("restart", *again)
    steps.add("start", " and ".join(again), f"enabled, {readiness(where.socket)}, at {where.socket}")


def _remarks(manager: Manager, where: Plan) -> list[str]:
    if isinstance(manager, Imagined):
        return [f"nothing of this can be installed here: {NONE_HERE}"]
    told = list(service_reach.unreachable(where.settings, user=where.user))
    if where.user:
        if not lingers(me()):
            told.append(f"it runs while {me()} is logged in; `loginctl enable-linger {me()}` has it run always")
        if not manager.takes_user_namespace():
            told.append("this kernel allows users no namespaces, so less holds the service than its unit file says")
    else:
        if (owner := service_reach.owner_of_installation()) is not None:
            told.append(f"{owner} can change what the service runs: foliod is installed in files of {owner}'s")
        told.append(f"who may ask: members of the group {service_reach.NAME} (usermod -aG {service_reach.NAME} NAME)")
    return told


# --- places -----------------------------------------------------------------------------


def _usual_config(*, user: bool) -> Path:
    if named := os.environ.get("FOLIOD_CONFIG"):
        return Path(named)
    return _config_home() / "foliod/foliod.toml" if user else SYSTEM_CONFIG


@contextlib.contextmanager
def _environment(*, user: bool) -> Iterator[dict[str, str]]:
    """Give the environment that settings are read in, with the secrets that the system's service will be handed."""
    with tempfile.TemporaryDirectory() as folder:
        for name in () if user or os.geteuid() != 0 else CREDENTIALS:
            if (secret := CREDSTORE / f"foliod.{name}").is_file():
                Path(folder, name).symlink_to(secret)
        yield {**os.environ, "CREDENTIALS_DIRECTORY": folder}


def _config_home() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
