"""The director as a process, with real probes of servers on loopback, and a table in memory (`--dry-run`)."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ports import free_port

PATIENCE = 60.0


class Answer(socketserver.StreamRequestHandler):
    """Answers every request with 200."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.rfile.readline()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class WebServer:
    """A real server on loopback that can be killed and brought back at its port."""

    def __init__(self) -> None:
        self.port = 0
        self._server: socketserver.ThreadingTCPServer | None = None
        self.start()

    def start(self) -> None:
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", self.port), Answer)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def wait_for(true: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if value := true():
                return value
        time.sleep(0.02)
    raise AssertionError(f"never came: {what}")


class Director:
    """`healthlb run --dry-run` with its file, its port and its log."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "healthlb.yaml"
        self.log = folder / "log"
        self.admin = folder / "admin.sock"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, servers: list[int], *, check: str = "type: http, path: /healthz", extra: str = "") -> None:
        lines = "\n".join(f"      - 127.0.0.1:{port}" for port in servers)
        self.file.write_text(
            f"api: {{listen: '127.0.0.1:{self.port}', admin: 'unix:{self.admin}'}}\n"
            f"checks:\n  web: {{{check}, interval: 100ms, timeout: 5s, rise: 2, fall: 2}}\n"
            "virtual_servers:\n  shop:\n    address: 127.0.0.9:80\n    scheduler: rr\n    method: nat\n"
            f"    check: web\n    real_servers:\n{lines}\n{extra}"
        )

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "healthlb", "run", "--dry-run", "-c", str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def tell(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def get(self, path: str, accept: str = "*/*") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Accept": accept})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def status(self) -> Any:
        return json.loads(self.get("/api/v1/status")[1])

    def weights(self) -> dict[str, int | None]:
        (pool,) = self.status()["virtual_servers"]
        return {server["address"]: server["weight"]["kernel"] for server in pool["real_servers"]}

    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def logged(self) -> str:
        return self.log.read_text()


@pytest.fixture
def web() -> Iterator[list[WebServer]]:
    servers = [WebServer(), WebServer()]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def director(tmp_path: Path) -> Iterator[Director]:
    running = Director(tmp_path)
    yield running
    if running.process is not None and running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def test_a_director_finds_its_servers_up_and_takes_a_killed_one_out(director: Director, web: list[WebServer]) -> None:
    director.write([server.port for server in web])
    director.start()
    wait_for(director.ready, "readiness")
    up, dying = (f"127.0.0.1:{server.port}" for server in web)
    assert director.weights() == {up: 1, dying: 1}
    web[1].stop()
    wait_for(lambda: director.weights() == {up: 1, dying: 0}, "the killed server at weight 0")
    (pool,) = director.status()["virtual_servers"]
    assert pool["state"] == "degraded"
    assert "refused" in pool["real_servers"][1]["checks"][0]["last"]["reason"]
    page = director.get(f"/?open=shop/{dying}", accept="text/html")[1].decode()
    assert "<title>1 problem" in page
    assert f"shop: {dying} is DOWN" in page
    hour = json.loads(director.get("/api/v1/history?virtual_server=shop")[1])["virtual_servers"]["shop"]
    assert {len(points) for points in hour.values()} == {len(hour["live_weight"])} != {0}
    web[1].start()
    wait_for(lambda: director.weights() == {up: 1, dying: 1}, "the recovered server at its weight")
    assert director.stop() == 0
    log = director.logged()
    assert re.search(rf"shop: {dying} is DOWN: web: .*refused.* \(2 results in a row\)", log)
    assert re.search(rf"shop: {dying} is UP: web: .*200", log)
    assert "Traceback" not in log


def test_a_reload_takes_the_difference_and_keeps_the_streaks(director: Director, web: list[WebServer]) -> None:
    director.write([web[0].port])
    director.start()
    wait_for(director.ready, "readiness")
    wait_for(lambda: director.status()["virtual_servers"][0]["real_servers"][0]["checks"][0]["streak"] > 5, "a streak")
    director.write([server.port for server in web])
    director.tell(signal.SIGHUP)
    wait_for(lambda: len(director.weights()) == 2, "the second server")
    first = director.status()["virtual_servers"][0]["real_servers"][0]
    assert first["checks"][0]["streak"] > 5
    wait_for(lambda: list(director.weights().values()) == [1, 1], "both servers in")
    assert f"real server 127.0.0.1:{web[1].port} added" in director.logged()


def test_a_bad_file_is_refused_and_what_was_in_force_stays(director: Director, web: list[WebServer]) -> None:
    director.write([server.port for server in web])
    director.start()
    wait_for(director.ready, "readiness")
    before = director.status()["director"]["config"]["sha256"]
    director.file.write_text("virtual_servers: {shop: {adress: 192.0.2.1:80}}\n")
    director.tell(signal.SIGHUP)
    wait_for(lambda: "reload refused" in director.logged(), "the refusal")
    assert "address" in director.logged()
    assert director.status()["director"]["config"]["sha256"] == before
    assert list(director.weights().values()) == [1, 1]
    director.write([web[0].port])
    director.tell(signal.SIGHUP)
    wait_for(lambda: len(director.weights()) == 1, "the good file in force")


def test_the_admin_socket_reloads_and_answers_with_the_outcome(director: Director, web: list[WebServer]) -> None:
    director.write([web[0].port])
    director.start()
    wait_for(director.ready, "readiness")
    director.write([server.port for server in web])

    def post() -> tuple[int, Any]:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(str(director.admin))
        with contextlib.closing(connection):
            connection.request("POST", "/api/v1/reload")
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    status, outcome = post()
    assert (status, outcome["accepted"]) == (200, True)
    wait_for(lambda: len(director.weights()) == 2, "the second server")
    director.file.write_text("nonsense")
    status, outcome = post()
    assert status >= 400
    assert str(director.file) in json.dumps(outcome)


def test_a_reload_may_move_the_api_to_another_port(director: Director, web: list[WebServer]) -> None:
    director.write([web[0].port])
    director.start()
    wait_for(director.ready, "readiness")
    director.port = free_port()
    director.write([web[0].port])
    director.tell(signal.SIGHUP)
    wait_for(director.ready, "the API at its new port")


def test_a_reload_to_a_port_that_is_taken_is_refused(director: Director, web: list[WebServer]) -> None:
    director.write([web[0].port])
    director.start()
    wait_for(director.ready, "readiness")
    port = director.port
    director.port = web[1].port
    director.write([web[0].port])
    director.port = port
    director.tell(signal.SIGHUP)
    wait_for(lambda: "reload refused" in director.logged(), "the refusal")
    assert director.ready()


def test_a_certificate_authority_that_is_not_there_refuses_the_start_and_the_reload(
    director: Director, web: list[WebServer]
) -> None:
    broken = "type: https, tls: {ca_file: /nonexistent/ca.pem}"
    director.write([web[0].port], check=broken)
    director.start()
    assert director.process is not None
    assert director.process.wait(PATIENCE) == 2
    assert director.logged() == "healthlb: check web: ca_file /nonexistent/ca.pem: no such file or directory\n"
    director.write([web[0].port])
    director.start()
    wait_for(director.ready, "readiness")
    director.write([web[0].port], check=broken)
    director.tell(signal.SIGHUP)
    wait_for(lambda: "reload refused" in director.logged(), "the refusal")
    assert director.ready()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_with_status_0(director: Director, web: list[WebServer], number: int) -> None:
    director.write([web[0].port])
    director.start()
    wait_for(director.ready, "readiness")
    assert director.stop(number) == 0
    assert not director.admin.exists()


def test_sigusr1_logs_a_full_status(director: Director, web: list[WebServer]) -> None:
    director.write([web[0].port])
    director.start()
    wait_for(director.ready, "readiness")
    director.tell(signal.SIGUSR1)
    wait_for(lambda: f"status: shop: 127.0.0.1:{web[0].port} is UP, weight 1" in director.logged(), "the status")


def test_the_service_manager_is_told_ready_reloading_and_stopping(
    director: Director, web: list[WebServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        director.write([web[0].port])
        director.start()
        heard: list[str] = []

        def hear(what: str) -> bool:
            heard.append(manager.recv(4096).decode().split("=")[0])
            return heard[-1] == what

        wait_for(lambda: hear("READY"), "READY")
        wait_for(lambda: hear("WATCHDOG"), "WATCHDOG")
        director.tell(signal.SIGHUP)
        wait_for(lambda: hear("RELOADING"), "RELOADING")
        wait_for(lambda: hear("READY"), "READY again")
        director.tell(signal.SIGTERM)
        wait_for(lambda: hear("STOPPING"), "STOPPING")


def test_a_taken_api_port_is_one_sentence_and_status_2(director: Director, web: list[WebServer]) -> None:
    director.port = web[1].port
    director.write([web[0].port])
    director.start()
    assert director.process is not None
    assert director.process.wait(PATIENCE) == 2
    log = director.logged()
    assert f"127.0.0.1:{web[1].port}" in log
    assert "taken" in log
    assert "Traceback" not in log


def test_a_kernel_without_ipvs_or_a_user_without_the_privilege_is_one_sentence_and_status_2(
    director: Director, web: list[WebServer]
) -> None:
    director.write([web[0].port])
    ended = subprocess.run(
        ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"] * (os.getuid() == 0)
        + [sys.executable, "-m", "healthlb", "run", "-c", str(director.file)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    assert "CAP_NET_ADMIN" in ended.stderr or "no IPVS" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", ["run", "validate", "plan"])
def test_a_missing_file_is_one_sentence_and_status_2(verb: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "healthlb", verb, "-c", str(tmp_path / "absent.yaml")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    assert "absent.yaml" in ended.stderr
    assert "Traceback" not in ended.stderr
