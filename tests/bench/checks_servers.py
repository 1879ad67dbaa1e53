"""The servers under test, one set for all contestants, and how many checks they have seen."""

import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

from waiting import eventually

HERE = Path(__file__).resolve().parent
PORTS = {"tcp": 8080, "half-open": 8080, "http": 8081, "https": 8443}
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    ssl_session_cache off;
    ssl_session_tickets off;
    server {{
        listen {http} backlog=4096;
        listen {https} ssl backlog=4096;
        location = /kilobyte {{ return 200 "{body}"; }}
    }}
    server {{
        listen unix:{folder}/status.sock;
        location / {{ stub_status; }}
    }}
}}
"""


def compiled(name: str, folder: Path, *options: str) -> Path:
    """Compile one of the C files beside this one; return the result."""
    compiler = next(found for each in ("cc", "gcc", "tcc") if (found := shutil.which(each)))
    made = folder / Path(name).with_suffix(".so" if "-shared" in options else "").name
    subprocess.run([compiler, "-O2", *options, "-o", made, HERE / name], check=True, timeout=60)
    return made


class Servers:
    """A TCP server that only accepts, and nginx with 1 KB over HTTP and HTTPS, in this namespace."""

    def __init__(self, folder: Path) -> None:
        import trustme  # a guest has use for the rest of this file, and imports slowly

        self._folder = folder
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        authority.issue_cert("bench.example").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        file = folder / "nginx.conf"
        file.write_text(NGINX.format(folder=folder, http=PORTS["http"], https=PORTS["https"], body="k" * 1024))
        patient = compiled("patient_server.c", folder)
        commands = ([patient, str(PORTS["tcp"]), "lo"], ["nginx", "-e", f"{folder}/nginx.log", "-c", file])
        self._processes = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for command in commands]

    def __enter__(self) -> Self:
        for port in PORTS.values():
            eventually(lambda port=port: _listens(port), bool)
        return self

    def __exit__(self, *_exception: object) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(30)

    def seen(self, work: str) -> int:
        """Return how many checks of this kind they have seen so far.

        TCP: connections that the kernel has completed for a listener (PassiveOpens of RFC 4022 in /proc/net/snmp).
        Half-open: resets that answered a SYN-ACK (tcpOutRsts), as the listener never hears of it. HTTP: what nginx has
        answered, its own account of it being one of them.
        """
        match work:
            case "tcp":
                return tcp_counter("PassiveOpens")
            case "half-open":
                return tcp_counter("OutRsts")
            case _:
                return self._answered()

    def _answered(self) -> int:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(30)
            channel.connect(f"{self._folder}/status.sock")
            channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
            text = b"".join(iter(lambda: channel.recv(4096), b"")).decode()
        return int(re.findall(r"(\d+)\s*\nReading", text)[0])


def tcp_counter(name: str) -> int:
    """Return one of the TCP counters of this thread's namespace."""
    text = Path("/proc/thread-self/net/snmp").read_text()
    rows = [line.split()[1:] for line in text.splitlines() if line.startswith("Tcp: ")]
    return int(dict(zip(*rows, strict=True))[name])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
