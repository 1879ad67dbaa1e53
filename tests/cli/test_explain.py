"""`healthlb explain` beside a director of its own, whose pools are brought into every situation that there is."""

import contextlib
import http.server
import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from healthlb.cli.main import main
from tests.cli.stand_in import Asked, standing_in
from waiting import eventually

PATIENCE = 60.0


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers 200, or 503 where the server of that port is sick."""

    server: "Web"

    def do_GET(self) -> None:
        self.send_response(503 if self.server.sick else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Web(http.server.ThreadingHTTPServer):
    """A real server on loopback."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1", *, sick: bool = False) -> None:
        self.sick = sick
        super().__init__((host, 0), Answer)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def at(self) -> str:
        return f"{self.server_address[0]!s}:{self.server_address[1]}"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


FILE = """
director: {{state_dir: {folder}/state}}
api: {{listen: '127.0.0.1:{port}', admin: 'unix:{folder}/admin.sock'}}
checks:
  web: {{type: http, path: /healthz, interval: 200ms, timeout: 5s, rise: 2, fall: 2}}
  rare: {{type: http, path: /healthz, interval: 1s, fast_interval: 200ms, down_interval: 1h, rise: 3, fall: 2}}
  patient: {{type: tcp, interval: 1h, timeout: 5s, rise: 1000, fall: 1000}}
  lost: {{type: tcp, interval: 1s, timeout: 1s, interface: nowhere0}}
  weight: {{type: file, path: {folder}/weight, interval: 200ms}}
virtual_servers:
  fine: {{address: '127.0.0.9:80', check: web, real_servers: [{{address: '{well}', name: only}}]}}
  shop:
    address: 127.0.0.9:81
    check: web
    weight: 100
    real_servers:
      - {{address: '{well}', name: web1}}
      - {{address: '{ill}', name: web2, check: rare}}
      - {{address: '127.0.0.2:9', name: web3, check: patient}}
      - {{address: '127.0.0.3:9', name: web4, check: lost}}
      - {{address: '127.0.0.4:9', name: web5, check: weight}}
      - {{address: '{others[5].at}', name: web6, weight: 0}}
      - {{address: '{others[6].at}', name: web7}}
      - {{address: '{others[7].at}', name: web8}}
      - {{address: '{others[8].at}', name: web9}}
  panic:
    address: 127.0.0.9:82
    check: web
    panic: 60%
    real_servers: [{{address: '{ill}', name: one}}, {{address: '127.0.0.2:9', name: two, check: {{type: tcp}}}}]
  sorry:
    address: 127.0.0.9:83
    check: web
    quorum: {{up: 2}}
    sorry_server: {{address: '127.0.0.2:9', name: page}}
    real_servers: [{{address: '{ill}', name: one}}, {{address: '{well}', name: two}}]
  alone:
    address: 127.0.0.9:86
    check: web
    sorry_server: {{address: '127.0.0.7:9', name: page}}
    real_servers: [{{address: '{well}', name: one}}]
  flapping:
    address: 127.0.0.9:84
    check: web
    flap_damping: {{changes: 1, window: 1h, hold: 30m}}
    real_servers: [{{address: '{turning}', name: one}}, {{address: '{well}', name: two}}]
  climbing:
    address: 127.0.0.9:85
    check: web
    weight: 100
    slow_start: 1h
    real_servers: [{{address: '{turning}', name: one}}, {{address: '{well}', name: two}}]
"""


class Director:
    """`healthlb run --dry-run` with every pool above."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.admin = f"unix:{folder}/admin.sock"
        self.well, self.ill, self.turning = Web(), Web(sick=True), Web()
        self.others = {number: Web(f"127.0.0.{number}") for number in (5, 6, 7, 8)}
        (folder / "weight").write_text("40%\n")
        places = {"well": self.well.at, "ill": self.ill.at, "turning": self.turning.at, "others": self.others}
        (folder / "healthlb.yaml").write_text(FILE.format(folder=folder, port=port, **places))
        self.log = folder / "log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "healthlb", "run", "--dry-run", "-c", str(folder / "healthlb.yaml")]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def begun(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.explain("fine", "only")[0] == 0

    def explain(self, *words: str) -> tuple[int, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["explain", *words, "--url", self.url])
        return status, out.getvalue() + err.getvalue()

    def told(self, *words: str, until: str) -> str:
        """Return what is told once it has this in it; the exit status says that not all is fine."""
        status, text = eventually(
            lambda: self.explain(*words), lambda each: until in each[1], deadline=PATIENCE, pause=0.1
        )
        assert status == 1
        return text

    def change(self, *words: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            assert main([*words, "--url", self.admin]) == 0

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        for each in (self.well, self.ill, self.turning, *self.others.values()):
            each.shutdown()
            each.server_close()


@pytest.fixture(scope="module")
def director(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Director]:
    director = Director(tmp_path_factory.mktemp("explain"))
    try:
        eventually(director.begun, bool, deadline=PATIENCE, pause=0.1)
        yield director
    finally:
        director.stop()


def test_a_server_that_is_fine_is_told_in_a_line_and_status_0(director: Director) -> None:
    status, text = director.explain("fine", "only")
    assert status == 0
    assert text.startswith(f"only ({director.well.at}) in fine takes traffic with its whole weight of 1.\n")
    assert "The table (memory) has it with weight 1, as is wanted." in text
    assert "What would" not in text
    status, text = director.explain("fine")
    assert (status, text.splitlines()[0]) == (
        0,
        "fine (tcp 127.0.0.9:80, wlc) is up: 1 of 1 real server takes traffic.",
    )
    assert "It has been up for " in text


def test_a_server_that_is_down_is_told_with_its_streak_its_evidence_and_when_it_may_be_back(director: Director) -> None:
    text = director.told("shop", "web2", until="it is DOWN")
    assert "takes no new connections (weight 0, 100 configured): it is DOWN (rare: status 503" in text
    assert "rare (http) probes" in text
    assert "every 1s (200ms while it turns, 60m while DOWN): DOWN, 2 failures in a row; fall 2." in text
    assert "web2 is DOWN: rare: status 503" in text
    assert "sent: GET /healthz HTTP/1.1" in text
    assert "received: HTTP/1.0 503" in text
    assert "rare needs 3 passes in a row." in text
    assert re.search(r"At the earliest it is back in about (5[0-9]|6[0-9])m", text), text
    assert "100 -> 0 (down)" in text


def test_a_server_without_a_verdict_waits_for_its_first(director: Director) -> None:
    text = director.told("shop", "web3", until="no first verdict yet")
    assert "is not in the table: it has no first verdict yet" in text
    assert "(initial: wait)" in text
    assert "patient needs 1000 passes in a row." in text


def test_a_server_that_cannot_be_probed_says_that_and_why(director: Director) -> None:
    text = director.told("shop", "web4", until="CANNOT BE PROBED")
    assert "nowhere0" in text
    assert "lost has to be sent again" in text


def test_a_server_that_weighs_itself_is_told_by_which_check(director: Director) -> None:
    text = director.told("shop", "web5", until="it asked for that itself")
    assert "takes traffic with weight 40, 100 configured" in text
    assert "weight heard it ask for 40 % of its weight" in text, text
    assert "100 -> 40 % (weight)" in text


def test_a_server_with_weight_0_in_the_file_is_idle_as_it_is_meant_to_be(director: Director) -> None:
    text = eventually(
        lambda: director.explain("shop", "web6")[1], lambda each: "up, " in each, deadline=PATIENCE, pause=0.1
    )
    assert "it is configured with weight 0" in text.splitlines()[0]


def test_what_operators_ordered_is_told_with_who_why_until_when_and_what_takes_it_back(director: Director) -> None:
    director.change("drain", "shop", "web7", "--why", "new disks")
    text = director.told("shop", "web7", until="an operator drained it")
    assert re.search(r"drained it 0s ago|drained it \d+s ago", text)
    assert "because: new disks." in text
    assert "`healthlb undrain shop 127.0.0.6:" in text
    assert "Time alone does not bring it back." in text
    director.change("disable", "--host", "127.0.0.7", "--for", "2h")
    text = director.told("shop", "web8", until="an operator took it out")
    assert "is not in the table" in text
    assert "wherever it appears" in text
    assert "The sorry server cannot stand in: page (an operator took it out)." in director.explain("alone")[1]
    assert "`healthlb undrain --host 127.0.0.7`, or its end in about" in text
    assert re.search(r"At the earliest it is back in about (119m|1h|2h)", text), text
    director.change("weight", "shop", "web9", "0")
    text = director.told("shop", "web9", until="an operator gave it another weight")
    assert "`healthlb weight shop 127.0.0.8:" in text
    assert "--reset`" in text


def test_a_pool_in_panic_shows_the_arithmetic_and_whom_the_floor_keeps(director: Director) -> None:
    text = director.told("panic", until="is PANIC")
    assert "Panic floor: 60 % of the enabled weight 2 is 2, and the servers that do not fail carry 0" in text
    assert "so failing servers stay in: one, two." in text
    assert "Panic is over in about" in text
    text = director.told("panic", "one", until="the panic floor keeps it in")
    assert "it fails, and the panic floor keeps it in" in text
    assert "The panic floor of 60 % keeps it in: too many servers of the pool fail." in text


def test_a_pool_below_its_quorum_shows_who_stands_in_and_what_it_lacks(director: Director) -> None:
    text = director.told("sorry", until="The sorry server takes all new connections: page.")
    assert text.startswith("sorry (tcp 127.0.0.9:83, wlc) is DOWN: 0 of 2 real servers take traffic.")
    assert "Quorum LOST: live weight 1, 2 needed." in text
    assert "The quorum (live weight 1, 2 needed) is met in about" in text
    text = director.told("sorry", "two", until="the sorry server takes the traffic")
    assert "The pool has to regain its quorum: live weight 1, 2 needed." in text
    assert "the pool needs the others, too" in text
    status, text = director.explain("sorry", "page")
    assert status == 0
    assert "It is a sorry server, and stands in for the pool." in text


def test_a_server_that_turned_too_often_is_held_and_one_that_recovered_climbs(director: Director) -> None:
    for sick, until in ((True, "it is DOWN"), (False, "held down for flapping")):
        director.turning.sick = sick
        text = director.told("flapping", "one", until=until)
    assert "It turned more than 1 times within 60m and is held down; the hold ends in about" in text
    assert re.search(r"At the earliest it is back in about (29|30)m", text), text
    text = director.told("climbing", "one", until="slow start lets it have")
    assert "takes traffic with weight 5, 100 configured: slow start lets it have 5 % of its weight." in text
    assert re.search(r"It has all of its weight in about (56|57)m", text), text


def test_a_pool_lists_who_is_out_and_why_a_line_each(director: Director) -> None:
    text = director.told("shop", until="Not as configured: ")
    assert "is DEGRADED" in text
    assert re.search(r"^  web2 .* it is DOWN \(rare: status 503", text, re.MULTILINE)
    assert re.search(r"^  web3 .* no first verdict yet", text, re.MULTILINE)
    assert "web1" not in text


def test_json_has_the_sentences_and_the_facts(director: Director) -> None:
    director.told("shop", "web2", until="it is DOWN")
    status, text = director.explain("shop", "web2", "--json")
    told: dict[str, Any] = json.loads(text)
    assert (status, told["fine"]) == (1, False)
    assert [each["title"] for each in told["sections"]] == ["Why", "Checks", "Last change", "What would bring it back"]
    assert told["facts"]["server"]["name"] == "web2"
    assert told["facts"]["event"]["name"] == "real_server_down"
    assert told["facts"]["outlook"]["earliest_at"].endswith("Z")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("shpo",), "there is no virtual server 'shpo'; did you mean shop?"),
        (("shop", "wbe2"), "there is no real server 'wbe2' in shop; did you mean web"),
        (("shop", "127.0.0.1"), "several servers of shop have the address 127.0.0.1; name one of 127.0.0.1:"),
        (
            ("zzzzz",),
            "there is no virtual server 'zzzzz'; there is: fine, shop, panic, sorry, alone, flapping, climbing",
        ),
    ],
)
def test_who_is_not_there_is_told_with_who_may_be_meant(
    director: Director, words: tuple[str, ...], sentence: str
) -> None:
    status, text = director.explain(*words)
    assert status == 2
    assert text.startswith(f"healthlb: {sentence}")


@pytest.mark.parametrize("by", ["web6", "127.0.0.5", "ADDRESS"])
def test_a_server_is_found_by_name_by_address_and_by_address_and_port(director: Director, by: str) -> None:
    name = director.others[5].at if by == "ADDRESS" else by
    assert director.explain("shop", name)[1].startswith("web6 (127.0.0.5:")


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_has_colour_and_lines_that_fit_it(director: Director, environment: dict[str, str]) -> None:
    main_end, other_end = pty.openpty()
    command = [sys.executable, "-m", "healthlb", "explain", "fine", "only", "--url", director.url]
    base = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    ended = subprocess.run(
        command, stdout=other_end, check=False, env=base | {"COLUMNS": "60", "TERM": "xterm"} | environment
    )
    os.close(other_end)
    text = os.read(main_end, 65536).decode()
    os.close(main_end)
    assert ended.returncode == 0
    assert ("\x1b[" in text) is not bool(environment)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(map(len, plain.splitlines())) <= 60


def test_only_what_is_explained_is_asked_for_and_the_names_where_it_is_not_there() -> None:
    def answering(asked: Asked) -> tuple[int, Any]:
        if asked.plain == "/api/v1/virtual_servers/a/b":
            return 404, {"error": "There is none."}
        return 200, {"virtual_servers": [{"name": "a/bc"}]}

    err = io.StringIO()
    with standing_in(answering) as server, contextlib.redirect_stderr(err):
        assert main(["explain", "a/b", "--url", server.url]) in {1, 2}
    assert [(each.path, each.query) for each in server.asked] == [
        ("/api/v1/virtual_servers/a%2Fb", ""),
        ("/api/v1/status", "fields=taken_at,virtual_servers.name,vrrp,speaker"),
    ]
    assert "there is no virtual server 'a/b'; did you mean a/bc?" in err.getvalue()


def test_what_does_not_answer_as_a_director_is_told_in_a_sentence() -> None:
    def answering(asked: Asked) -> tuple[int, Any]:
        return 200, {"taken_at": "2026-11-22T10:00:00Z", "virtual_servers": [{"name": "shop"}]}

    err = io.StringIO()
    with standing_in(answering) as server, contextlib.redirect_stderr(err):
        assert main(["explain", "shop", "--url", server.url]) == 1
    assert "is no healthlb director that this version understands" in err.getvalue()
