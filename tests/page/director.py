"""`healthlb run --dry-run` as a process with real servers on loopback, for a browser to look at."""

import contextlib
import http.client
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

from waiting import eventually

PATIENCE = 60.0
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\x1b[31m"


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.rfile.readline()
            self.wfile.write(self.server.answer)  # type: ignore[attr-defined]


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class WebServer:
    """A real server that can be killed and brought back at its port. `status` is the line it answers with."""

    def __init__(self, status: str = "200 OK", body: str = "ok") -> None:
        self.port = 0
        self._answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        self._running: _Server | None = None
        self.start()

    def start(self) -> None:
        """Listen; nothing where it does already."""
        if self._running is None:
            self._running = _Server(("127.0.0.1", self.port), _Answer)
            self._running.answer = self._answer  # type: ignore[attr-defined]
            self.port = self._running.server_address[1]
            threading.Thread(target=self._running.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._running is not None:
            self._running.shutdown()
            self._running.server_close()
            self._running = None


class Director:
    """A director with a shop of three servers of which one is sick, and a mail pool of one that is well."""

    def __init__(self, folder: Path) -> None:
        self.web = [WebServer(), WebServer()]
        self.sick = WebServer(f"503 {HOSTILE.splitlines()[0]}", HOSTILE)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port: int = found.getsockname()[1]
        self._file, self._log = folder / "healthlb.yaml", folder / "log"
        one, two = (each.port for each in self.web)
        self._file.write_text(
            f"director: {{name: lb1, state_dir: {folder}/state}}\n"
            f"api: {{listen: '127.0.0.1:{self.port}', admin: 'unix:{folder}/admin.sock'}}\n"
            "checks:\n"
            "  web: {type: http, path: /healthz, interval: 100ms, down_interval: 1s, timeout: 20s, rise: 2, fall: 2}\n"
            "virtual_servers:\n"
            "  mail:\n    address: 127.0.0.9:25\n    method: nat\n    check: web\n"
            f"    real_servers: [{{address: '127.0.0.1:{one}', name: mail1}}]\n"
            "  shop:\n    address: 127.0.0.9:80\n    scheduler: rr\n    method: nat\n    check: web\n"
            "    real_servers:\n"
            f"      - {{address: '127.0.0.1:{one}', name: web1, weight: 2}}\n"
            f"      - {{address: '127.0.0.1:{two}', name: web2}}\n"
            f"      - {{address: '127.0.0.1:{self.sick.port}', name: sick, weight: 3}}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until every server has a verdict."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "healthlb", "run", "--dry-run", "-c", str(self._file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._ready, (200).__eq__, deadline=PATIENCE)

    def tell(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def close(self) -> None:
        """End it and its servers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.kill()
        for each in [*self.web, self.sick]:
            each.stop()

    def _ready(self) -> int:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()
