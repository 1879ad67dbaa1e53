"""``make demo``: the classic LVS NAT set-up in a guest, run by healthlb, its status endpoint reachable from here.

Exit status: 0 the demo was played (and ended by Ctrl-C), 1 it failed, 2 it could not be started.
"""

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from boot import BOOT_DEADLINE, Guest, GuestError
from multiplexer import LineClosedError, Multiplexer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PORT = 9480
PACE = 0.05


def main() -> int:
    """Play the demo."""
    parser = argparse.ArgumentParser(description="Play the classic LVS NAT set-up in a private kernel.")
    parser.add_argument(
        "--port",
        type=int,
        default=int(os.environ.get("HEALTHLB_DEMO_PORT", PORT)),
        help="of the status endpoint on 127.0.0.1 (default: HEALTHLB_DEMO_PORT, else 9480)",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        default=os.environ.get("HEALTHLB_DEMO_ONCE") == "1",
        help="end after the scenario (the same as HEALTHLB_DEMO_ONCE=1)",
    )
    arguments = parser.parse_args()
    _claim_standard_descriptors()
    # A shell that starts us in the background has interrupts ignored; they end the demo all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        listener = socket.create_server(("127.0.0.1", arguments.port))
    except OSError as error:
        remedy = "choose another, as in HEALTHLB_DEMO_PORT=9481 make demo"
        print(
            f"Port {arguments.port} of 127.0.0.1 cannot be used ({os.strerror(error.errno or 0)}): {remedy}.",
            file=sys.stderr,
        )
        return 2
    ours, theirs = socket.socketpair()
    with listener, ours, theirs:
        try:
            return play(listener, ours, theirs, once=arguments.once)
        except GuestError as error:
            print(f"The demo's private kernel failed. {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\n* Ended; nothing of it is left on this machine.")
            return 0


def play(listener: socket.socket, ours: socket.socket, theirs: socket.socket, *, once: bool) -> int:
    """Boot the guest and copy what it tells until it ends; return its exit status. Raise GuestError."""
    command = [sys.executable, str(HERE / "demo_scenario.py"), *(["once"] if once else [])]
    environment = {"LAB_DEMO_PORT": str(listener.getsockname()[1]), "PYTHONUNBUFFERED": "1"}
    print("* Booting a private Linux kernel with IPVS; this takes a few seconds.", flush=True)
    with Guest(command, environment=environment, directory=ROOT, serial=theirs.fileno()) as guest:
        multiplexer = Multiplexer(ours.fileno())
        threading.Thread(target=_accept, args=(listener, multiplexer), daemon=True).start()
        limit = time.monotonic() + BOOT_DEADLINE
        with guest.stdout.open() as told:
            while True:
                status = guest.poll()
                sys.stdout.write(told.read())
                sys.stdout.flush()
                if status is not None:
                    if status != 0:
                        print(guest.stderr.read_text(errors="replace"), file=sys.stderr)
                    return status
                if not guest.booted() and time.monotonic() > limit:
                    raise GuestError(f"It did not boot within {BOOT_DEADLINE:g} s.\n{guest.console_tail()}")
                time.sleep(PACE)


def _accept(listener: socket.socket, multiplexer: Multiplexer) -> None:
    """Carry every connection to the guest once it listens to the line; both ends close when the demo ends."""
    with contextlib.suppress(OSError, LineClosedError):
        multiplexer.wait_for_hello()
        threading.Thread(target=multiplexer.serve, daemon=True).start()
        while True:
            multiplexer.carry(listener.accept()[0])


def _claim_standard_descriptors() -> None:
    """Open what is closed of 0, 1 and 2, lest the serial line get one of these numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
