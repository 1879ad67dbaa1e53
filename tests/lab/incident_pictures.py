"""Pictures of the page for docs/oncall.md: `python tests/lab/incident_pictures.py`, into docs/images.

The page is that of the director of incident.py, in the guest, while web2 is dead; numbers and moments are as they were.
Exit status: 0 the pictures were taken, 1 they could not be.
"""

import contextlib
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

from boot import Guest, GuestError
from demo_scenario import carry_api
from incident import CONFIG, PATIENCE, VIRTUAL_ADDRESS, Incident
from multiplexer import LineClosedError, Multiplexer
from topology import Topology
from traffic import Load
from waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
PICTURES = {"oncall-page": "", "oncall-server": "?open=shop/web2"}
READY, SEEN = "ready", "seen"
"""Files in the folder that guest and host share."""
PROBES = 40
"""Probes of each server before web2 dies, so that there is something to look back on."""


def play() -> None:
    """Play the incident as far as web2's death, inside a guest, and wait until the pictures are taken."""
    shared = Path(os.environ["LAB_SHARED"])
    with tempfile.TemporaryDirectory() as folder, Topology() as net:
        incident = Incident(net, Path(folder))
        incident.director.start(CONFIG.replace("STATE", f"{folder}/state"))
        incident.until_weights(1, 1, 1, 1)
        web2 = incident.webs["web2"]
        with Load(incident.client, VIRTUAL_ADDRESS, 80, pause=0.05):
            eventually(lambda: web2.asked["/healthz"], lambda probes: probes >= PROBES, deadline=PATIENCE)
            web2.kill()
            incident.until_weights(1, 0, 1, 1)
            carry_api(incident.director.machine)
            (shared / READY).touch()
            eventually((shared / SEEN).exists, bool, deadline=PATIENCE)


def main() -> int:
    """Take the pictures."""
    if sys.argv[1:] == ["--play"]:
        play()
        return 0
    ours, theirs = socket.socketpair()
    command = [sys.executable, __file__, "--play"]
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            ours,
            theirs,
            Guest(command, directory=ROOT, serial=theirs.fileno()) as guest,
        ):
            threading.Thread(target=_carry, args=(listener, Multiplexer(ours.fileno())), daemon=True).start()
            eventually(lambda: (guest.shared / READY).exists() or guest.poll() is not None, bool, deadline=PATIENCE)
            if guest.poll() is not None:
                print(guest.stderr.read_text(errors="replace"), file=sys.stderr)
                return 1
            taken = _take(f"http://127.0.0.1:{listener.getsockname()[1]}")
            (guest.shared / SEEN).touch()
            return guest.wait(PATIENCE) or taken
    except GuestError as error:
        print(f"The incident's private kernel failed. {error}", file=sys.stderr)
        return 1


def _carry(listener: socket.socket, multiplexer: Multiplexer) -> None:
    """Carry every connection to the director in the guest, until the line or the listener is closed."""
    with contextlib.suppress(OSError, LineClosedError):
        multiplexer.wait_for_hello()
        threading.Thread(target=multiplexer.serve, daemon=True).start()
        while True:
            multiplexer.carry(listener.accept()[0])


def _take(url: str) -> int:
    # They need a browser's libraries, which the guest's part does not.
    from screenshots import WIDE, take
    from tests.page.browser import Reader, chromium

    with chromium() as browser:
        return max(take(Reader(browser, url, **WIDE), name, query) for name, query in PICTURES.items())


if __name__ == "__main__":
    sys.exit(main())
