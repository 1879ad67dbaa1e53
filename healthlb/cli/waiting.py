"""Waiting until real servers have no connections left, however often the director restarts meanwhile."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TextIO

from healthlb.cli.changing import Target
from healthlb.cli.client import UnreachableError, Way, ask
from healthlb.cli.table import printable, seen_width
from healthlb.cli.words import complain, terminal_size

PERIOD = 1.0
"""Seconds between two looks."""

LEAST = 2.0
"""Seconds that a look may take at least: the last one, at the deadline, is to tell what is open."""

PATIENCE = 600.0
"""Seconds that a wait takes at most where no deadline is given."""

LOST = 3
"""Looks in a row that must see a server take connections again before its drain counts as taken back."""

_LATER = frozenset({429, 500, 502, 503, 504})


class Ended(NamedTuple):
    """How it ended: nothing is `open`, or that is what keeps a server from being safe, a sentence each."""

    open: list[str]
    real_servers: list[dict[str, Any]]
    seconds: float

    @property
    def safe(self) -> bool:
        """Whether no connection is left."""
        return not self.open

    @property
    def pools(self) -> int:
        """How many virtual servers the real servers are in."""
        return len({server["virtual_server"] for server in self.real_servers})


class Progress:
    """Shows how far it is: one line written again and again on a terminal, a line for each change elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._shown = ""

    def show(self, text: str) -> None:
        """Show how far it is now."""
        if text == self._shown:
            return
        self._shown = text
        if self._terminal:
            width = terminal_size(self._stream)[0] - 1
            while seen_width(text) > max(width, 10):
                text = text[:-1]
            self._write(f"\r\x1b[K{text}")
        else:
            self._write(f"{text}\n")

    def end(self) -> None:
        """Leave the line free for what is said at the end."""
        if self._terminal and self._shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._terminal, self._shown = False, text  # nobody looks; the end is told by the exit status


def waited(way: Way, target: Target, deadline: float, *, out: bool = False) -> Ended | None:
    """Wait for a drain and show how far it is; None: interrupted, and told that the drain stays."""
    progress = Progress()
    try:
        return wait(way, target, deadline, out=out, show=progress.show)
    except KeyboardInterrupt:
        progress.end()
        complain(f"interrupted; the drain stays, `healthlb undrain {target.words}` takes it back")
        return None
    finally:
        progress.end()


def document(ended: Ended, sentence: str) -> dict[str, object]:
    """Return how a wait ended, for programs."""
    return {
        "safe": ended.safe,
        "message": sentence,
        "open": ended.open,
        "seconds": round(ended.seconds, 1),
        "real_servers": ended.real_servers,
    }


def wait(
    way: Way,
    target: Target,
    deadline: float,
    *,
    out: bool = False,
    show: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Ended:
    """Look about once a second until nothing is open, or for `deadline` seconds; `out`: the rows are to be gone, too.

    A director that does not answer is asked again until the deadline. What it refuses ends the wait at once.
    """
    began = clock()
    looker = _Looker(way, target, out)
    while True:
        left = deadline - (clock() - began)
        still = looker.look(max(min(10.0, left), LEAST))
        if not still or looker.over or left <= 0:
            return Ended(still, looker.servers, clock() - began)
        show(f"waiting for {target}: {listed(still)}")
        pause(min(PERIOD, max(deadline - (clock() - began), 0.0)))


class _Looker:
    """One look after the other; `over` says that no further one can make it better."""

    def __init__(self, way: Way, target: Target, out: bool) -> None:
        self._way = way
        self._target = target
        self._out = out
        self._back = 0
        self.servers: list[dict[str, Any]] = []
        self.over = False

    def look(self, deadline: float) -> list[str]:
        """Return what is open, a sentence each, or why that cannot be told."""
        # A server that leaves its pool meanwhile is known by its address alone.
        known = self.servers[0]["address"] if self.servers else None
        target = self._target if self._target.virtual_server is None or known is None else self._target.at(known)
        try:
            answer = ask(self._way, "GET", target.query, None, deadline)
            if answer.status != 200:
                self.over = answer.status not in _LATER
                return [f"the director answered {answer.status}: {printable(answer.error)}"]
            servers = list(answer.value["real_servers"])
            still = [f"{place}{busy}" for place, server in self._placed(servers) if (busy := self._busy(server))]
            self._back = self._back + 1 if any(server["admin"] == "enabled" for server in servers) else 0
            self.over = self._back >= LOST
            self.servers = servers or self.servers
            # What else is at the address: sorry servers, and rows that a reload left behind for their connections.
            others = [*answer.value["sorry_servers"], *answer.value["leaving"]]
            return [*still, *(open_ for row in others if (open_ := _left_open(row)))]
        except UnreachableError as error:
            return [str(error).removesuffix(".")]
        except (KeyError, TypeError, ValueError, AttributeError):
            self.over = True
            return [f"what answers at {self._way.url} is no healthlb director that this version understands"]

    def _placed(self, servers: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
        """Return each real server with its place: a host's is the virtual server, where it is there only once."""
        times = Counter(server["virtual_server"] for server in servers)
        alone = self._target.virtual_server is None
        return [
            (printable(pool if alone and times[pool] == 1 else f"{pool}: {server['real_server']}") + ": ", server)
            for server in servers
            for pool in (server["virtual_server"],)
        ]

    def _busy(self, server: dict[str, Any]) -> str | None:
        """Return why a real server is not drained yet, in the order in which a drain gets there."""
        weight = server["weight"]["kernel"]
        if server["admin"] == "enabled":
            return "takes new connections, its drain was taken back or is over"
        if weight:
            return f"still has weight {weight} in the kernel"
        if not server["drained"] or server["connections"]["active"]:
            return _connections(server["connections"])
        return "its row is still in the table" if self._out and weight is not None else None


def _left_open(row: dict[str, Any]) -> str | None:
    place = printable(f"{row['virtual_server']}: {row['address']}")
    if row.get("weight", {}).get("kernel"):
        return f"{place} takes connections as a sorry server"
    return f"{place}: {_connections(row['connections'])}" if row["connections"]["active"] else None


def _connections(connections: dict[str, int]) -> str:
    """Return what is open: active ones first, else what an UDP client or a persistent one may come back to."""
    active, inactive, persistent = (connections[name] for name in ("active", "inactive", "persistent"))
    if active:
        return _counted(active, "active connection")
    if inactive:
        return f"{_counted(inactive, 'connection')} that may still be used"
    if persistent:
        return f"{_counted(persistent, 'client')} held to it by persistence"
    return "no connections, to be looked at once more"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def listed(sentences: Iterable[str], most: int = 10) -> str:
    """Return the first few sentences in one, and how many more there are."""
    each = list(sentences)
    return "; ".join(each[:most]) + (f"; and {len(each) - most} more" if len(each) > most else "")
