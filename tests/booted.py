"""A real systemd for tests: PID 1 of namespaces of its own, on an overlay of this machine's files.

Nothing that happens inside reaches this machine: its files are read through the overlay, writes go to memory, the
network is a loopback of its own, and all processes end with the test. Half a second to boot; needs root.

Run as a program this file is the first process inside: it mounts everything and becomes systemd.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

SYSTEMD = Path("/lib/systemd/systemd")
PROGRAMS = ("systemctl", "nsenter", "mount", "umount", "pivot_root", "ip", "runuser", "useradd", "dbus-daemon")
BOOT_SECONDS = 120.0
COMMAND_SECONDS = 120.0
MASKED = (
    "systemd-udevd", "systemd-udev-trigger", "systemd-modules-load", "systemd-sysctl", "systemd-networkd",
    "systemd-resolved", "systemd-timesyncd", "systemd-random-seed", "e2scrub_reap", "getty@tty1", "console-getty",
    "postgresql", "pgbouncer", "cron", "ssh", "docker", "containerd",
)  # fmt: skip
"""What belongs to real hardware, or would do this machine's work a second time."""
TIMERS = ("apt-daily", "apt-daily-upgrade", "dpkg-db-backup", "e2scrub_all", "fstrim", "man-db", "logrotate")

# linux/sched.h
_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC, _NEWPID, _NEWNET = (
    0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
)  # fmt: skip
_PR_SET_PDEATHSIG = 1

_numbers = itertools.count(1)


def missing() -> str | None:
    """Say what a systemd can't be booted for here, None when it can."""
    if os.geteuid() != 0:
        return "booting a systemd needs root"
    if not SYSTEMD.exists():
        return "systemd is not installed"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if lacking := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        return f"booting a systemd needs {', '.join(lacking)}"
    group = f"foliod-test-{os.getpid()}-try"
    done = subprocess.run(
        [sys.executable, __file__, "try", group], capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
    )
    _forget(group)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["namespaces can't be made"])[-1]


class Machine:
    """A booted machine. Host folders in `shown` are seen at their own paths, read-only, by everybody."""

    def __init__(self, folder: Path, shown: Sequence[Path] = ()) -> None:
        self._folder = folder
        resolved = {path.resolve() for path in shown}
        self._shown = sorted(path for path in resolved if not resolved & set(path.parents))
        self._group = f"foliod-test-{os.getpid()}-{next(_numbers)}"
        self._launcher: subprocess.Popen[str] | None = None
        self.pid = 0
        """systemd's, as this machine has it."""

    def __enter__(self) -> Self:
        """Boot; return when all of the machine is up."""
        shown = [str(path) for path in self._shown]
        setup = json.dumps({"folder": str(self._folder), "shown": shown, "group": self._group})
        with (self._folder / "console").open("wb") as console:
            self._launcher = subprocess.Popen(
                [sys.executable, __file__, "boot", setup],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=console, text=True,
            )  # fmt: skip
        assert self._launcher.stdout is not None
        line = self._launcher.stdout.readline()
        if not line:
            raise RuntimeError(f"the machine did not boot:\n{self.console()}")
        self.pid = int(line)
        try:
            self.wait_for(lambda: self.state() in ("running", "degraded"), BOOT_SECONDS, "the machine to boot")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and everything in it."""
        launcher = self._launcher
        assert launcher is not None
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        launcher.wait(COMMAND_SECONDS)
        if launcher.stdout is not None:
            launcher.stdout.close()
        _forget(self._group)

    def console(self) -> str:
        """Return what systemd printed before it had a journal."""
        return (self._folder / "console").read_text(errors="replace")

    def state(self) -> str:
        """Say how it is: `running`, `degraded` when something failed, or still `starting`."""
        return self.run("systemctl", "is-system-running", check=False).stdout.strip()

    def run(
        self,
        *command: str | Path,
        user: str | None = None,
        check: bool = True,
        env: dict[str, str] | None = None,
        timeout: float = COMMAND_SECONDS,
        input: str | None = None,  # noqa: A002 - as subprocess calls it
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root or as a user with a session bus; return what it printed."""
        done = subprocess.run(
            self._inside(command, user, env),
            capture_output=True, text=True, check=False, timeout=timeout, input=input,
            **({} if input is not None else {"stdin": subprocess.DEVNULL}),
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def popen(self, *command: str | Path, user: str | None = None) -> subprocess.Popen[str]:
        """Start a command inside that goes on beside the test."""
        return subprocess.Popen(
            self._inside(command, user, None),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _inside(self, command: Sequence[str | Path], user: str | None, env: dict[str, str] | None) -> list[str]:
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        become: list[str] = []
        if user is not None:
            uid = self.run("id", "-u", user).stdout.strip()
            home = self.run("sh", "-c", f"echo ~{user}").stdout.strip()
            variables |= {"XDG_RUNTIME_DIR": f"/run/user/{uid}", "HOME": home, "USER": user}
            become = ["runuser", "-u", user, "--"]
        variables |= env or {}
        return [
            "nsenter", "-t", str(self.pid), "--all", "--",
            "env", "-i", f"PATH={variables['PATH']}", *become,
            "env", *(f"{name}={value}" for name, value in variables.items()), *map(str, command),
        ]  # fmt: skip

    def path(self, inside: str | Path) -> Path:
        """Return where this machine's tests find a file of the machine."""
        return Path(f"/proc/{self.pid}/root", str(inside).lstrip("/"))

    def wait_for(self, what: Callable[[], Any], seconds: float, why: str) -> Any:
        """Return the first true value of `what()`; fail after `seconds`."""
        end = time.monotonic() + seconds
        while not (value := what()):
            if self._launcher is not None and self._launcher.poll() is not None:
                raise RuntimeError(f"the machine ended while it was waited for {why}:\n{self.console()}")
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds:.0f} s for {why}")
            time.sleep(0.05)
        return value


def _forget(name: str) -> None:
    """Remove a machine's control groups, which are left behind, empty."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split(" ")
        if kind == "cgroup2":
            for group in sorted(Path(where).glob(f"**/{name}/**/"), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()


# --- inside -----------------------------------------------------------------------------


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise SystemExit(f"no namespaces of one's own may be made here ({os.strerror(number)})")


def _apart(first: Callable[[], None]) -> None:
    """Run `first` as PID 1 of new namespaces; end with it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    _unshare(_NEWNS | _NEWPID | _NEWUTS | _NEWIPC | _NEWNET)
    if (pid := os.fork()) == 0:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
        try:
            first()
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"{' '.join(error.cmd)}: {error.stderr.decode(errors='replace').strip()}\n")
        except SystemExit as error:
            sys.stderr.write(f"{error.code}\n")
        sys.stderr.flush()
        os._exit(1)
    print(pid, flush=True)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0)


def _own_group(name: str) -> None:
    """Go into a control group of one's own, so that two machines at once do not meet; it becomes the root of all."""
    # Mounted for a moment, since it stands elsewhere, or nowhere, on a machine with the old hierarchy.
    where = Path("/sys/fs/cgroup")
    _call("mount", "-t", "cgroup2", "cgroup2", str(where))
    group = where / Path("/proc/self/cgroup").read_text().partition("0::/")[2].splitlines()[0] / name
    # One may be left of a process that had our number before.
    group.mkdir(exist_ok=True)
    (group / "cgroup.procs").write_text("0")
    _unshare(_NEWCGROUP)
    _call("umount", str(where))


def _mount_all(folder: str, shown: Sequence[str], group: str) -> str:
    """Make the new root of files; return it."""
    _call("mount", "--make-rprivate", "/")
    _own_group(group)
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    root = f"{folder}/root"
    for name in ("up", "work", "root", "shown"):
        os.mkdir(f"{folder}/{name}")
    for number, path in enumerate(shown):
        # Kept aside, because what they lie on may be covered in a moment.
        os.mkdir(f"{folder}/shown/{number}")
        _call("mount", "--rbind", path, f"{folder}/shown/{number}")
    try:
        _call("mount", "-t", "overlay", "-o", f"lowerdir=/,upperdir={folder}/up,workdir={folder}/work", "overlay", root)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"no overlay of / can be mounted here: {error.stderr.decode().strip()}") from None
    _call("mount", "-t", "proc", "proc", f"{root}/proc")
    _call("mount", "-t", "sysfs", "-o", "ro", "sysfs", f"{root}/sys")
    _call("mount", "-t", "cgroup2", "cgroup2", f"{root}/sys/fs/cgroup")
    for name, mode in (("run", "755"), ("tmp", "1777"), ("dev", "755")):
        _call("mount", "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", f"{root}/{name}")
    for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
        os.mknod(f"{root}/dev/{name}", 0o20666, os.makedev(1, minor))
        os.chmod(f"{root}/dev/{name}", 0o666)
    os.mknod(f"{root}/dev/tty", 0o20666, os.makedev(5, 0))
    os.mkdir(f"{root}/dev/pts")
    os.mkdir(f"{root}/dev/shm")
    _call("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", f"{root}/dev/shm")
    _call("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620", "devpts", f"{root}/dev/pts")
    os.symlink("pts/ptmx", f"{root}/dev/ptmx")
    os.symlink("/proc/self/fd", f"{root}/dev/fd")
    for number, path in enumerate(shown):
        target = Path(root + path)
        for parent in reversed([target, *target.parents]):
            if parent.is_relative_to(root):
                parent.mkdir(exist_ok=True)
                parent.chmod(parent.stat().st_mode | 0o011)
        _call("mount", "--rbind", f"{folder}/shown/{number}", str(target))
        _call("mount", "-o", "remount,bind,ro", str(target))
    return root


def _furnish(root: str) -> None:
    """Take away what belongs to the other machine alone."""
    for name, text in (("machine-id", ""), ("fstab", ""), ("hostname", "booted\n")):
        Path(root, "etc", name).unlink(missing_ok=True)
        Path(root, "etc", name).write_text(text)
    units = Path(root, "etc/systemd/system")
    for name in (*(f"{name}.service" for name in MASKED), *(f"{name}.timer" for name in TIMERS)):
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    shutil.rmtree(Path(root, "var/log/journal"), ignore_errors=True)
    # A foliod that somebody runs on the other machine.
    for pattern in ("etc/foliod", "etc/*/foliod*", "etc/systemd/*/foliod*", "var/lib/foliod"):
        for path in Path(root).glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _boot(folder: str, shown: Sequence[str], group: str) -> None:
    root = _mount_all(folder, shown, group)
    _furnish(root)
    _call("ip", "link", "set", "lo", "up")
    os.chdir(root)
    os.mkdir(".old")
    _call("pivot_root", ".", ".old")
    os.chroot(".")
    os.chdir("/")
    _call("umount", "--lazy", "/.old")
    os.rmdir("/.old")
    _call("mount", "--make-rshared", "/")
    environ = {"container": "foliod-test", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    os.execve(
        SYSTEMD,
        ["systemd", "--system", "--unit=multi-user.target", "--log-target=journal", "--show-status=no"],
        environ,
    )


def _try(group: str) -> None:
    """Mount everything as for a boot, and leave it at that."""
    _mount_all("/tmp", [], group)
    os._exit(0)


if __name__ == "__main__":
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    if sys.argv[1] == "try":
        _apart(lambda: _try(sys.argv[2]))
    given = json.loads(sys.argv[2])
    _apart(lambda: _boot(**given))
