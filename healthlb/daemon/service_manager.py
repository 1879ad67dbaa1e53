"""Talks to the service manager: sd_notify(3) over its datagram socket, without a library."""

import os
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """Says how the director is; does nothing where no service manager asked for it (no NOTIFY_SOCKET)."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        own = environment.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
        interval = environment.get("WATCHDOG_USEC", "") if own else ""
        self._every = int(interval) / 1e6 / 3 if interval.isdigit() and int(interval) else None
        self._fed_at = 0.0

    def ready(self, status: str) -> None:
        """Say that the director has taken up its work."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """Say that a reload has begun; `ready` ends it (sd_notify(3), RELOADING)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the director is about to end."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog, at most three times in its interval (sd_watchdog_enabled(3))."""
        now = time.monotonic()
        if self._every is not None and now - self._fed_at >= self._every:
            self._fed_at = now
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as channel:
            try:
                channel.sendto(message.encode(), address)
            except OSError:
                return
