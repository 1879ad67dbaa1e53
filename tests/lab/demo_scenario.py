"""The demo's part inside the guest: builds the classic set-up, lets healthlb run it, and tells what happens."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from classic import (
    LOCAL_NAME,
    REMOTE_ADDRESS,
    REMOTE_NAME,
    REMOTE_PORT,
    VIRTUAL_ADDRESS,
    VIRTUAL_PORT,
    ClassicNat,
    classic_nat,
)
from multiplexer import Multiplexer, open_serial
from topology import Machine, Topology, TopologyError
from traffic import NoAnswerError, ask
from waiting import NeverError, eventually

CONFIG = "configs/demo.yaml"
API = ("127.0.0.1", 9480)
REMOTE = f"{REMOTE_ADDRESS}:{REMOTE_PORT}"
PATIENCE = 60.0
"""Seconds for any one thing that healthlb is to do; all take a few."""


class DaemonEndedError(Exception):
    """Healthlb ended while it was wanted; the text is what it said."""


def main() -> int:
    """Play the scenario; with ``once`` as the argument, end after it."""
    once = sys.argv[1:] == ["once"]
    try:
        with Topology() as net:
            play(net, once=once)
    except (TopologyError, NeverError, NoAnswerError, DaemonEndedError) as error:
        tell(f"The demo failed: {error}")
        return 1
    return 0


def play(net: Topology, *, once: bool) -> None:
    """Tell and show each step."""
    tell("A private kernel is up; it now gets a client, a director and a real server, each a network namespace.")
    classic = classic_nat(net)
    director = classic.director
    tell(f"The director holds {VIRTUAL_ADDRESS} with ip_forward on; {REMOTE_NAME} is {REMOTE} behind it,")
    tell(f"{LOCAL_NAME} is the director's own {VIRTUAL_ADDRESS}:28089.", more=True)

    tell(f"healthlb run -c {CONFIG} starts on the director and probes both real servers.")
    log = Path(os.environ["LAB_SHARED"], "healthlb.log")
    daemon = director.start(Path(sys.executable).with_name("healthlb"), "run", "-c", CONFIG, log=log)
    carry_api(director)
    await_weights(director, daemon, log, {1})
    tell("Both have passed their checks and are in the kernel's table.")
    show(classic)

    tell(f"{REMOTE_NAME} is killed.")
    classic.remote.kill()
    killed = time.monotonic()
    await_weights(director, daemon, log, {0, 1})
    tell(f"healthlb saw it and set its weight to 0, {time.monotonic() - killed:.1f} s after the kill.")
    show(classic)

    tell(f"{REMOTE_NAME} comes back.")
    classic.remote.start()
    await_weights(director, daemon, log, {1})
    tell("Two passes in a row, and its weight is 1 again.")
    show(classic)
    if once:
        return

    port = os.environ["LAB_DEMO_PORT"]
    tell(f"The director stays up, with a request from the client every second: http://127.0.0.1:{port} until Ctrl-C.")
    tell(f"Try: curl http://127.0.0.1:{port}/api/v1/status", more=True)
    while daemon.poll() is None:
        time.sleep(1)
        with contextlib.suppress(NoAnswerError):
            ask(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT)
    raise DaemonEndedError(said(log))


def await_weights(director: Machine, daemon: "subprocess.Popen[bytes]", log: Path, wanted: set[int]) -> None:
    """Wait until both real servers are in the table with these weights; raise DaemonEndedError or NeverError."""

    def weights() -> list[int]:
        if daemon.poll() is not None:
            raise DaemonEndedError(said(log))
        rules = director.run("ipvsadm", "-Sn").splitlines()
        return [int(rule.split(" -w ")[1].split()[0]) for rule in rules if rule.startswith("-a")]

    try:
        eventually(weights, lambda seen: len(seen) == 2 and set(seen) == wanted, deadline=PATIENCE, pause=0.1)
    except NeverError as error:
        raise NeverError(f"weights {sorted(wanted)} were wanted in the table, {error}\n{said(log)}") from error


def show(classic: ClassicNat) -> None:
    """Let the client ask, and show the table as ipvsadm does."""
    before = counted(classic)
    answers = [ask(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) for _ in range(6)]
    tell(f"The client asks {VIRTUAL_ADDRESS}:{VIRTUAL_PORT} six times and hears: {' '.join(answers)}")
    # The kernel adds its counters up every two seconds; a table that is shown before that lags behind the client.
    eventually(lambda: counted(classic), lambda now: now >= before + len(answers))
    for arguments in (("-Ln",), ("-Ln", "--stats")):
        tell(f"ipvsadm {' '.join(arguments)}")
        print(classic.director.run("ipvsadm", *arguments), flush=True)


def counted(classic: ClassicNat) -> int:
    """Return how many connections the virtual server has had, by the kernel's counters."""
    rows = [row.split() for row in classic.director.run("ipvsadm", "-Ln", "--stats").splitlines()]
    return next(int(row[2]) for row in rows if row[:2] == ["TCP", f"{VIRTUAL_ADDRESS}:{VIRTUAL_PORT}"])


def carry_api(director: Machine) -> None:
    """Lead connections from the serial line to the director's API, from a thread of their own."""

    def connect() -> socket.socket:
        with director.inside():
            return socket.create_connection(API, timeout=5)

    multiplexer = Multiplexer(open_serial(os.environ["LAB_SERIAL"]), connect)
    multiplexer.hello()
    threading.Thread(target=multiplexer.serve, daemon=True).start()


def said(log: Path) -> str:
    """Return the last lines that healthlb wrote."""
    lines = log.read_text(errors="replace").splitlines()[-15:]
    return "\n".join(["healthlb's last lines:", *lines])


def tell(text: str, *, more: bool = False) -> None:
    """Print a step, or more of the same step."""
    print(f"{'  ' if more else '* '}{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
