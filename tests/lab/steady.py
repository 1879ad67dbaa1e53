"""Makes what a run in the lab says the same in every run: a story's clock, and a rule for each value that differs.

What the director says is not touched but for these: moments (`StoryClock`), and the numbers and words that `steady`
and `steady_text` name. The words, the order and the layout are the product's own.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from topology import Machine

MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
OF_THE_GUEST = frozenset({"loop_held", "probes_waited"})
"""Events that are about how slow the lab is, not about the incident."""
MILLISECONDS = 0.00124
"""Seconds that a probe took, by the story."""
ADMIN = "pid 4711"
UPTIME = 320_000
"""Seconds of traffic behind the totals."""
EMPTIED_AFTER = 253
"""Seconds that the drained machine kept its last connection, by the story."""


def seconds(text: str) -> float:
    """Return UNIX seconds for an RFC 3339 moment."""
    return datetime.fromisoformat(text).timestamp()


def written(moment: float) -> str:
    """Return an RFC 3339 moment as the API writes it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class StoryClock:
    """What happened after a mark happened at the mark's moment of the story. `now` is when somebody looks."""

    now: float = 0.0
    marks: list[tuple[float, float]] = field(default_factory=list)

    def mark(self, story: str) -> None:
        """From now on it is this moment in the story."""
        self.now = seconds(story)
        # The director's moments are whole milliseconds, cut off.
        self.marks.append((int(time.time() * 1000) / 1000, self.now))

    def look(self, story: str) -> None:
        """Somebody looks at this moment; nothing new happens."""
        self.now = seconds(story)

    def story(self, moment: str) -> str:
        """Return when a real moment was in the story."""
        real = seconds(moment)
        return written(max((story for began, story in self.marks if began <= real), default=self.marks[0][1]))


def steady(told: Any, clock: StoryClock, key: str = "") -> Any:
    """Return what the API told with the story's moments and numbers; `key` is what it stands under."""
    if isinstance(told, list):
        return [steady(each, clock, key) for each in told if not _is_of_the_guest(each)]
    if isinstance(told, str):
        return _steady_word(told, clock, key)
    if not isinstance(told, dict):
        return {"seconds": MILLISECONDS}.get(key, told)
    made = {name: steady(value, clock, name) for name, value in told.items()}
    if key in {"last", "last_failure", "last_pass"}:
        made["at"] = written(clock.now)
    if "taken_at" in made:
        made["taken_at"] = written(clock.now)
    if {"connections", "real_servers"} <= made.keys():
        for kind in ("connections", "stats", "rates"):
            made[kind] = {name: sum(server[kind][name] for server in made["real_servers"]) for name in made[kind]}
    return made | _real_server(made, clock) if "health" in made and "weight" in made else made


def _real_server(server: dict[str, Any], clock: StoryClock) -> dict[str, Any]:
    """Return what differs in the story about a real server: its traffic, and how often its check said the same."""
    number = int(server["address"].partition(":")[0].rpartition(".")[2]) - 10
    made = _traffic(number, server["weight"]["kernel"])
    if server["admin"] == "draining":
        made["connections"]["active"] = 1
    # One probe a second, as the file says.
    streak = int(clock.now - seconds(server["since"]))
    return {**made, "checks": [check | {"streak": streak} for check in server["checks"]]}


def _is_of_the_guest(told: Any) -> bool:
    return isinstance(told, dict) and told.get("name") in OF_THE_GUEST


def _steady_word(word: str, clock: StoryClock, key: str) -> str:
    if key == "path":
        return "/etc/healthlb/healthlb.yaml"
    if key == "next_at":
        return written(clock.now + 1)
    return clock.story(word) if MOMENT.fullmatch(word) else steady_text(word)


def _traffic(number: int, weight: int | None) -> dict[str, dict[str, int]]:
    """Return the traffic of the server with this number: none for one that gets no new connections."""
    busy = number if weight else 0
    rate = 40 + busy if busy else 0
    packets = {"in_packets": 7, "out_packets": 6, "in_bytes": 600, "out_bytes": 9000}
    return {
        "connections": {"active": 10 + busy if busy else 0, "inactive": 70 + busy if busy else 0, "persistent": 0},
        "stats": {"connections": (40 + number) * UPTIME}
        | {name: (40 + number) * UPTIME * each for name, each in packets.items()},
        "rates": {"connections_per_second": rate}
        | {f"{name}_per_second": rate * each for name, each in packets.items()},
    }


def steady_text(text: str) -> str:
    """Return what a command or a sentence says with process ids, spans and connections of the story."""
    text = re.sub(r"\bpid [0-9]+", ADMIN, text)
    text = re.sub(r"\bin [0-9]\.[0-9]+s\b", f"in {MILLISECONDS:.4f}s", text)
    text = re.sub(r"(?<=no connections left after )[0-9]+s", f"{EMPTIED_AFTER}s", text)
    return re.sub(r"(?m)^(?P<row>  -> [0-9.]+\.1(?P<number>[0-9]):80 +Masq +(?P<weight>[0-9]+) .*)$", _row, text)


def _row(found: re.Match[str]) -> str:
    """Return a row of `ipvsadm -Ln` with the story's connections, in ipvsadm's columns and without its blanks."""
    connections = _traffic(int(found["number"]), int(found["weight"]))["connections"]
    before = found["row"][: found.start("weight") - found.start() + 7]
    return f"{before}{connections['active']:<11}{connections['inactive']}"


class Relay:
    """Answers what the command line asks of a director, made steady; inside the director's machine."""

    def __init__(self, machine: Machine, get: Callable[[str], tuple[int, str]], clock: StoryClock) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = asked(self.path, get, clock)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words: object) -> None:
                """Say nothing of requests."""

        with machine.inside():
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        machine.net.at_end(self.close)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def asked(path: str, get: Callable[[str], tuple[int, str]], clock: StoryClock) -> tuple[int, bytes]:
    """Return the director's answer made steady; `since` of a query is a moment of the story."""
    address, _, query = path.partition("?")
    words = parse_qsl(query)
    since = next((value for name, value in words if name == "since"), None)
    rest = urlencode([(name, value) for name, value in words if name != "since"])
    status, body = get(f"{urlsplit(address).path}?{rest}" if rest else address)
    told = steady(json.loads(body), clock)
    if since is not None and "events" in told:
        # The command counts back from the real time of day.
        earliest = clock.now - (time.time() - _moment(since))
        told["events"] = [event for event in told["events"] if seconds(event["at"]) >= earliest]
    return status, json.dumps(told).encode()


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return seconds(text)
