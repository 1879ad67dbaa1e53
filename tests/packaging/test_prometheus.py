"""The dashboard, the alerts and the metrics, asked of a real Prometheus that scrapes a real director.

Both are on a loopback address of their own, at ports that the kernel gives nobody by itself and no service has: nobody
takes them between their choice and their use.
"""

import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from healthlb.api.exposition import CONTENT_TYPE
from healthlb.api.metrics import families, pair
from made_up_pair import PAIR
from tests.api.conftest import degraded
from waiting import eventually

ROOT = Path(__file__).parents[2]
RULES = ROOT / "packaging" / "prometheus" / "healthlb.rules.yml"
DASHBOARD = ROOT / "packaging" / "grafana" / "healthlb.json"
ONCALL = ROOT / "docs" / "oncall.md"
PATIENCE = 90.0
DIRECTOR, SECOND, PROMETHEUS = 29480, 29481, 29090
HOST = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
SELECTOR = re.compile(r"(?:(?:healthlb|process|python)_\w+|instance(?:_check)?:\w+(?::\w+)*|\bup\b)(?:\{[^}]*\})?")
Query = Callable[[str], list[Any]]


class Answer(socketserver.StreamRequestHandler):
    """Answers every request with 200, or with 503 while the server is `sick`."""

    sick = False

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.rfile.readline()
            self.wfile.write(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok" % (b"503 No" if Answer.sick else b"200 OK"))


class Director:
    """`healthlb run --dry-run` with a pool that is degraded, one that is down and an override."""

    def __init__(self, folder: Path, alive: int, dead: int) -> None:
        self.file = folder / "healthlb.yaml"
        self.log = folder / "director.log"
        self.port = DIRECTOR
        self._admin = folder / "admin.sock"
        self._servers = alive, dead
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, *, single: bool = True) -> None:
        alive, dead = self._servers
        self.file.write_text(f"""
api: {{listen: '{HOST}:{self.port}', admin: 'unix:{self._admin}', metrics_per_real_server: {str(single).lower()}}}
checks:
  web: {{type: http, path: /, interval: 200ms, timeout: 5s, rise: 1, fall: 1, log: all}}
notifiers:
  pager: {{type: webhook, url: 'http://127.0.0.1:{dead}/'}}
virtual_servers:
  shop:
    address: 127.0.0.9:80
    check: web
    real_servers: [{{address: '127.0.0.1:{alive}', name: web1}}, {{address: '127.0.0.1:{dead}', name: web2}}]
  mail: {{fwmark: 25, check: web, real_servers: ['127.0.0.1:{dead}']}}
""")

    def start(self) -> None:
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "healthlb", "run", "--dry-run", "-c", str(self.file)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: get(HOST, self.port, "/readyz")[0], (200).__eq__, deadline=PATIENCE)

    def reload(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def metrics(self) -> str:
        return get(HOST, self.port, "/metrics")[1].decode()

    def drain(self, server: str) -> None:
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(str(self._admin))
        with contextlib.closing(connection):
            connection.request(
                "POST",
                f"/api/v1/virtual_servers/shop/real_servers/{server}/drain",
                "{}",
                {"Content-Type": "application/json"},
            )
            assert connection.getresponse().status == 200

    def stop(self) -> None:
        end(self._process)


def end(process: "subprocess.Popen[bytes] | None") -> None:
    if process is not None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def get(host: str, port: int, path: str) -> tuple[int, bytes]:
    """Return a status and a body; the status is 0 where nobody answers yet."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 0, b""


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[int, int]]:
    """Yield the ports of a server that answers and of one that refuses; both are held until the end."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as alive, socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        threading.Thread(target=alive.serve_forever, args=(0.05,), daemon=True).start()
        yield alive.server_address[1], dead.getsockname()[1]
        alive.shutdown()


@pytest.fixture(scope="module")
def director(servers: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Director]:
    running = Director(tmp_path_factory.mktemp("director"), *servers)
    running.write()
    try:
        running.start()
        running.drain("web2")
        yield running
    finally:
        running.stop()


class OfAPair(http.server.BaseHTTPRequestHandler):
    """Answers with the families of a pair, as the director of one does that does not run here."""

    def do_GET(self) -> None:
        """Answer a scrape."""
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.end_headers()
        self.wfile.write("".join(pair.metrics(replace(degraded(), pair=PAIR))).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def of_a_pair() -> Iterator[int]:
    """Yield the port of what answers with the families of a pair."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OfAPair) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def query(director: Director, of_a_pair: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Query]:
    """Yield what asks a Prometheus that scrapes the director and has the rules."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ['{RULES}']
scrape_configs:
  - job_name: healthlb
    static_configs: [{{targets: ['{HOST}:{director.port}', '127.0.0.1:{of_a_pair}']}}]
""")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
                f"--web.listen-address={HOST}:{PROMETHEUS}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=os.environ | {"GOMAXPROCS": "1"},
        )

    def ask(expression: str) -> list[Any]:
        return asked("/api/v1/query", query=expression)["result"]

    def ready() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        return get(HOST, PROMETHEUS, "/-/ready")[0] == 200

    try:
        eventually(ready, bool, deadline=PATIENCE)
        eventually(lambda: ask("count_over_time(up[1h]) > 2"), bool, deadline=PATIENCE)
        yield ask
    finally:
        end(process)


def asked(path: str, **parameters: str) -> Any:
    """Return the data of an answer of Prometheus's API."""
    status, body = get(HOST, PROMETHEUS, f"{path}?{urllib.parse.urlencode(parameters)}")
    answer = json.loads(body)
    assert (status, answer["status"]) == (200, "success"), answer
    return answer["data"]


def promtool(*words: str, **more: Any) -> str:
    """Run promtool; it must find nothing to say against what it is given."""
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False, timeout=PATIENCE, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    """Return every rule."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def plain(expression: str) -> str:
    """Return a dashboard's expression as Grafana sends it, with everything chosen."""
    for variable, value in {
        "$__rate_interval": "1m",
        "$__interval": "1m",
        "$director": ".*",
        "$virtual_server": ".*",
    }.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return document


def expressions() -> list[str]:
    """Return every query of the dashboard, those of its annotations too."""
    document = dashboard()
    targets = [target["expr"] for panel in document["panels"] for target in panel.get("targets", ())]
    return [plain(each) for each in (*targets, *(each["expr"] for each in document["annotations"]["list"]))]


def selected(texts: list[str]) -> set[str]:
    """Return every selector, a metric with the labels that are asked for."""
    return {found for text in texts for found in SELECTOR.findall(text)}


def test_promtool_has_nothing_to_say_against_the_metrics(director: Director) -> None:
    assert promtool("check", "metrics", input=director.metrics()) == ""


def test_a_reload_can_leave_out_the_series_of_real_servers_and_promtool_has_nothing_to_say(
    servers: tuple[int, int], tmp_path: Path
) -> None:
    running = Director(tmp_path, *servers)
    running.port = SECOND
    running.write()
    try:
        running.start()
        assert "real_server=" in running.metrics()
        running.write(single=False)
        running.reload()
        text = eventually(running.metrics, lambda text: "real_server=" not in text, deadline=PATIENCE)
        assert 'healthlb_virtual_server_real_servers_down{virtual_server="shop"} 1\n' in text
        assert promtool("check", "metrics", input=text) == ""
    finally:
        running.stop()


def test_every_query_of_the_dashboard_has_an_answer(query: Query) -> None:
    pending = dict.fromkeys([*expressions(), *selected(expressions())])

    def unanswered() -> list[str]:
        for expression in list(pending):
            if query(expression):
                del pending[expression]
        return list(pending)

    # Something has to happen while Prometheus looks, for those that are about what happens.
    Answer.sick = True
    try:
        eventually(unanswered, lambda left: not left, deadline=PATIENCE, pause=0.5)
    finally:
        Answer.sick = False


def test_every_choice_that_the_dashboard_offers_has_values(query: Query) -> None:
    offered = [each["query"]["query"] for each in dashboard()["templating"]["list"] if each["type"] == "query"]
    assert len(offered) == 2
    for choice in offered:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", plain(choice))
        assert found, choice
        assert query(found[1])
        assert asked(f"/api/v1/label/{found[2]}/values", **{"match[]": found[1]})


def test_every_panel_has_a_place_of_its_own_and_says_what_its_unit_is() -> None:
    taken: set[tuple[int, int]] = set()
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"]


def test_prometheus_takes_the_rules_and_finds_what_they_ask_for(query: Query) -> None:
    groups = eventually(
        lambda: asked("/api/v1/rules")["groups"],
        lambda groups: all(rule["health"] != "unknown" for group in groups for rule in group["rules"]),
        deadline=PATIENCE,
    )
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    pending = selected([rule["expr"] for rule in rules()])
    assert len(pending) > 25
    eventually(lambda: [each for each in pending if not query(each)], lambda left: not left, deadline=PATIENCE)
    # What is wrong with this director is on its way to somebody.
    waiting = {alert["labels"]["alertname"] for alert in asked("/api/v1/alerts")["alerts"]}
    assert waiting >= {"HealthlbVirtualServerDown", "HealthlbRealServerDown"}


def test_the_rules_and_the_dashboard_name_no_metric_that_healthlb_does_not_have() -> None:
    known = {"up"} | {rule["record"] for rule in rules() if "record" in rule}
    for family in families():
        known |= {f"{family.name}_bucket"} if family.kind == "histogram" else {family.name}
    named = {each.partition("{")[0] for each in selected([*expressions(), *(rule["expr"] for rule in rules())])}
    assert named <= known, named - known


def test_every_alert_fires_and_keeps_quiet_as_its_unit_test_says() -> None:
    promtool("check", "rules", str(RULES))
    promtool("test", "rules", str(RULES.with_name("healthlb.rules.test.yml")))
    document = yaml.safe_load(RULES.with_name("healthlb.rules.test.yml").read_text(encoding="utf-8"))
    tested = [each for test in document["tests"] for each in test["alert_rule_test"]]
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert {each["alertname"] for each in tested if each.get("exp_alerts")} == alerts
    assert {each["alertname"] for each in tested if not each.get("exp_alerts")} == alerts


def test_every_alert_says_how_urgent_it_is_and_leads_to_a_section_that_exists() -> None:
    headings = re.findall(r"^#+ (.+)$", ONCALL.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert set(rule["annotations"]) == {"summary", "description", "runbook"}
            file, _, anchor = rule["annotations"]["runbook"].partition("#")
            assert file == "docs/oncall.md"
            assert anchor in anchors, rule["alert"]
