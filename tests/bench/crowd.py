"""Readers of the director's HTTP, many in one process that costs little: what they are sent is thrown away unseen.

Usage: `crowd.py PORT NAME SECONDS`; prints a line of JSON: answers by status, bytes, the median and the worst seconds
that an answer took from its question to its last byte, and how many questions had to wait for the answer before.
"""

import heapq
import json
import random
import re
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

BUFFER = 1 << 20
HEAD = 16 * 1024
"""Bytes in which a whole head is."""


@dataclass(frozen=True, slots=True)
class Kind:
    """So many readers that ask for a path every `interval` seconds; a stream (0) is asked for once."""

    title: str
    path: str
    readers: int
    interval: float
    gzip: bool = False
    tagged: bool = False


CROWDS = {
    "gzip": Kind("100 on /api/v1/status, gzip", "/api/v1/status", 100, 1.0, gzip=True),
    "plain": Kind("100 on /api/v1/status, plain", "/api/v1/status", 100, 1.0),
    "tagged": Kind("100 on /api/v1/status, ETag", "/api/v1/status", 100, 1.0, gzip=True, tagged=True),
    "metrics": Kind("1 on /metrics, each 5 s", "/metrics", 1, 5.0, gzip=True),
    "live": Kind("60 on /api/v1/live", "/api/v1/live", 60, 0.0),
}


class Tally:
    """What came of all questions so far."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.size = 0
        self.took: list[float] = []
        self.overdue = 0


class Reader:
    """One of them, with a connection that it keeps. `later` is told when it asks again."""

    def __init__(self, port: int, kind: Kind, tally: Tally, later: Callable[[float, "Reader"], None]) -> None:
        self._kind = kind
        self._tally = tally
        self._later = later
        self._left = 0
        self._in_head = True
        self._tag = ""
        self._buffer = bytearray(BUFFER)
        self._due = time.monotonic() + random.uniform(0.0, kind.interval)
        self._asked = 0.0
        self.channel = socket.create_connection(("127.0.0.1", port))
        later(self._due, self)

    def ask(self) -> None:
        """Send the question."""
        lines = [f"GET {self._kind.path} HTTP/1.1", "Host: 127.0.0.1"]
        if self._kind.gzip:
            lines.append("Accept-Encoding: gzip")
        if self._kind.tagged and self._tag:
            lines.append(f"If-None-Match: {self._tag}")
        self._asked = time.monotonic()
        self.channel.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def read(self) -> None:
        """Take what has come: a head with care, a body without a look (MSG_TRUNC of tcp(7) copies nothing)."""
        if self._in_head:
            head, found, _ = self.channel.recv(HEAD, socket.MSG_PEEK).partition(b"\r\n\r\n")
            if not found:
                raise EOFError(head)
            self.channel.recv(len(head) + len(found))
            self._begin(head.decode())
            return
        wanted = min(self._left, BUFFER) if self._kind.interval else BUFFER
        taken = self.channel.recv_into(self._buffer, wanted, socket.MSG_TRUNC)
        if not taken:
            raise EOFError(self._kind.path)
        self._tally.size += taken
        self._left -= taken
        if self._kind.interval and not self._left:
            self._end()

    def _begin(self, head: str) -> None:
        self._tally.statuses[head.split()[1]] += 1
        self._in_head = False
        length = re.search(r"(?i)\r\nContent-Length: (\d+)", head)
        self._left = int(length[1]) if length else 0
        if found := re.search(r"(?i)\r\nETag: (\S+)", head):
            self._tag = found[1]
        if self._kind.interval and not self._left:
            self._end()

    def _end(self) -> None:
        now = time.monotonic()
        self._in_head = True
        self._tally.took.append(now - self._asked)
        self._due += self._kind.interval
        if self._due < now:
            self._tally.overdue += 1
            self._due = now
        self._later(self._due, self)


def play(port: int, kind: Kind, seconds: float) -> Tally:
    """Read for so long."""
    tally = Tally()
    asking: list[tuple[float, int, Reader]] = []
    chosen = selectors.DefaultSelector()
    for _ in range(kind.readers):
        reader = Reader(port, kind, tally, lambda due, reader: heapq.heappush(asking, (due, id(reader), reader)))
        chosen.register(reader.channel, selectors.EVENT_READ, reader)
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        while asking and asking[0][0] <= now:
            heapq.heappop(asking)[2].ask()
        soon = min(asking[0][0], end) if asking else end
        for key, _ in chosen.select(max(0.0, soon - now)):
            key.data.read()
    return tally


def main() -> None:
    """Play one crowd and tell."""
    port, name, seconds = sys.argv[1:]
    tally = play(int(port), CROWDS[name], float(seconds))
    took = sorted(tally.took)
    told = {"answers": tally.statuses, "bytes": tally.size, "overdue": tally.overdue}
    print(json.dumps(told | {"median": took[len(took) // 2], "worst": took[-1]} if took else told))


if __name__ == "__main__":
    main()
