"""Signals that meet each other, as service managers send them."""

from __future__ import annotations

import os
import signal

from live import Daemon, wait_for
from service_manager import receiving


def test_a_stop_ends_a_reload_that_hangs_and_nothing_comes_after_it(short_dir):
    """SIGTERM and SIGCONT, as systemd sends them: the daemon is not ready again, and looks through no folders."""
    daemon = Daemon(short_dir)
    with receiving(short_dir) as received:
        daemon.start(env={"NOTIFY_SOCKET": str(received.path)})
        assert daemon.process is not None
        try:
            wait_for(lambda: received.said("READY=1"))
            # Read by nobody, the configuration never comes.
            daemon.config.rename(short_dir / "aside")
            os.mkfifo(daemon.config)
            daemon.process.send_signal(signal.SIGHUP)
            wait_for(lambda: received.said("RELOADING=1"))
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.send_signal(signal.SIGCONT)
            assert daemon.process.wait(60) == 0
            said = received.lines()
            assert "READY=1" not in said[said.index("STOPPING=1") :]
            assert daemon.log_events("resumed") == []
        finally:
            daemon.config.unlink()
            (short_dir / "aside").rename(daemon.config)
            daemon.end()
