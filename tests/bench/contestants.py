"""Who is measured: `healthlb run --dry-run` as a whole, and keepalived's checker process, with the same targets.

A contestant starts afresh for every turn: one that had been stopped meanwhile would find all its timers overdue.
"""

import functools
import os
import re
import subprocess
import sys
import sysconfig
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from checks_servers import compiled

from healthlb.daemon.pace import Pace
from healthlb.model.health import Schedule
from waiting import eventually

POOL = 10
"""Real servers in a virtual server."""
API = "127.0.0.1:9480"
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
EVERY_SECOND = Schedule(1.0, 1.0, 1, 2, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Load:
    """So many targets, at addresses of their own, each checked once a second; `work` is a key of the two tables.

    `network` is the first half of the targets' addresses.
    """

    work: str
    targets: int
    port: int
    network: str = "127.1"

    def pools(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each virtual server's address, in 127.0.0.0/8, and those of its real servers."""
        for first in range(0, self.targets, POOL):
            pool = first // POOL
            members = range(first, min(first + POOL, self.targets))
            addresses = [f"{self.network}.{number // 250}.{number % 250 + 1}" for number in members]
            yield f"127.200.{pool // 250}.{pool % 250 + 1}", addresses


HEALTHLB = {
    "tcp": "type: tcp",
    "half-open": "type: tcp-half-open",
    "http": "type: http, path: /kilobyte, status: 200",
    "https": "type: https, path: /kilobyte, status: 200, tls: {{ca_file: {folder}/ca.pem, server_name: bench.example}}",
}
KEEPALIVED = {
    "tcp": "TCP_CHECK {; connect_timeout 1; }",
    "http": "HTTP_GET {; connect_timeout 1; url {; path /kilobyte; status_code 200; }; }",
    "https": "SSL_GET {; connect_timeout 1; url {; path /kilobyte; status_code 200; }; }",
}
"""A semicolon stands for the end of a line, which keepalived.conf(5) wants after every keyword and brace."""


class Contestant:
    """One turn of one of them. `folder` holds its files; leaving the context ends it."""

    name = ""

    def __init__(self, load: Load, folder: Path) -> None:
        self.load = load
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
            self.measured = self._find()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)

    def cpu(self) -> float:
        """Return the seconds of CPU that all threads have used so far, as the scheduler counted them (schedstat)."""
        return self._scheduled(0)

    def waited(self) -> float:
        """Return the seconds that threads have been ready so far without a CPU: what a busy machine took from them."""
        return self._scheduled(1)

    def _scheduled(self, column: int) -> float:
        threads = Path(f"/proc/{self.measured}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[column]) for each in threads) / 1e9

    def resident(self) -> float:
        """Return the resident set in MB."""
        status = Path(f"/proc/{self.measured}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def log(self) -> str:
        """Return what it has written."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")

    def complaint(self) -> str | None:
        """Return what it holds against the servers, all of which are well, or None."""
        raise NotImplementedError

    def _start(self) -> None:
        raise NotImplementedError

    def _find(self) -> int:
        raise NotImplementedError

    def _run(self, *command: str, **environment: str) -> None:
        with (self.folder / f"{self.name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )


class Healthlb(Contestant):
    """The whole director: scheduling, health, table in memory and API."""

    name = "healthlb"

    def start_lateness(self) -> dict[float, float] | None:
        """Return the seconds that 50% and 99.9% of starts were late at most; None if the director does not say.

        Read from its histogram in /metrics, whose buckets bound them from above.
        """
        text = self._metrics()
        form = r'^healthlb_probe_start_lateness_seconds_bucket\{.*le="([^"]+)"\} (\S+)$'
        sums: Counter[float] = Counter()
        for bound, count in re.findall(form, text, re.MULTILINE):
            sums[float(bound)] += float(count)
        buckets = sorted(sums.items())
        if not buckets or not buckets[-1][1]:
            return None
        total = buckets[-1][1]
        return {share: next(bound for bound, count in buckets if count >= share * total) for share in (0.5, 0.999)}

    def complaint(self) -> str | None:
        """Count the servers that it takes for up."""
        form = r"^healthlb_virtual_server_real_servers_up\{[^}]*\} (\S+)$"
        up = sum(float(count) for count in re.findall(form, self._metrics(), re.MULTILINE))
        return None if up == self.load.targets else f"{up:.0f} of {self.load.targets} servers are up"

    def _metrics(self) -> str:
        with urllib.request.urlopen(f"http://{API}/metrics", timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text

    def _start(self) -> None:
        file = self.folder / "healthlb.yaml"
        file.write_text(self._configuration())
        python, packages = interpreter()
        path = f"{ROOT}:{packages}" if packages else str(ROOT)
        self._run(python, "-m", "healthlb", "run", "--dry-run", "-c", str(file), PYTHONPATH=path)

    def _find(self) -> int:
        assert self._process is not None
        eventually(self.log, lambda log: "serving " in log or "error" in log, deadline=PATIENCE)
        if "serving " not in self.log():
            raise RuntimeError(self.log())
        return self._process.pid

    def _configuration(self) -> str:
        check = HEALTHLB[self.load.work].format(folder=self.folder)
        lines = [
            "director: {name: bench, sysctl: ignore}",
            f"api: {{listen: '{API}', admin: 'unix:{self.folder}/admin.sock'}}",
            f"checks:\n  work: {{{check}, interval: 1s, timeout: 1s, rise: 1, fall: 2}}",
            "virtual_servers:",
        ]
        for number, (address, members) in enumerate(self.load.pools()):
            servers = ", ".join(f"'{member}:{self.load.port}'" for member in members)
            lines += [
                f"  pool{number}:",
                *(f"    address: '{address}:80'", "    scheduler: rr", "    method: nat", "    check: work"),
                f"    real_servers: [{servers}]",
            ]
        return "\n".join(lines) + "\n"


@functools.cache
def interpreter() -> tuple[str, str]:
    """Return the Python that healthlb runs on, and where it finds packages that are not its own.

    Debian's, where it is the same version: it is as optimised a build as Debian's keepalived is.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    debian = f"/usr/bin/python{version}"
    packages = sysconfig.get_path("platlib")
    trial = [debian, "-c", "import yaml, checks.registry; checks.registry.types()"]
    if Path(debian).exists() and Path(sys.base_prefix) != Path("/usr"):
        tried = subprocess.run(trial, env={"PYTHONPATH": f"{ROOT}:{packages}"}, capture_output=True, check=False)
        if not tried.returncode:
            return debian, packages
    return sys.executable, ""


class Floor(Contestant):
    """A loop in C that has the kernel do what healthlb has it do for a TCP check, in batches as large, and no more."""

    name = "floor"

    def complaint(self) -> str | None:
        """Return None: it ends where a server does not answer."""
        return None if self._process is not None and self._process.poll() is None else "it has ended"

    def _start(self) -> None:
        pace = Pace()
        for _ in range(self.load.targets):
            pace.join(EVERY_SECOND)
        batch = max(1, round(self.load.targets * pace.tick))
        first = next(iter(self.load.pools()))[1][0]
        program = compiled("floor.c", self.folder)
        self._run(str(program), str(self.load.targets), str(batch), first, str(self.load.port))

    def _find(self) -> int:
        assert self._process is not None
        return self._process.pid


class Keepalived(Contestant):
    """Debian's keepalived, checkers only; `no_ipvs.so` in the folder stands in for the kernel's IPVS.

    It logs to a file, so that a verdict would be seen; while all is well it has nothing to say.
    """

    name = "keepalived"

    def complaint(self) -> str | None:
        """Look for a verdict in its log."""
        return next((line for line in self.log().splitlines() if "failed" in line or "Removing" in line), None)

    def _start(self) -> None:
        file = self.folder / "keepalived.conf"
        file.write_text(self._configuration())
        pids = [f"--{name}={self.folder}/{name}" for name in ("pid", "checkers_pid")]
        self._run(
            *("keepalived", "--dont-fork", "--check", "--no-syslog", "--log-console", f"--use-file={file}", *pids),
            LD_PRELOAD=str(self.folder / "no_ipvs.so"),
        )

    def _find(self) -> int:
        file = self.folder / "checkers_pid"
        return int(eventually(lambda: file.read_text() if file.exists() else "", str.strip, deadline=PATIENCE))

    def _configuration(self) -> str:
        check = KEEPALIVED[self.load.work]
        parts = ["global_defs {; router_id bench; }"]
        for address, members in self.load.pools():
            parts.append(f"virtual_server {address} 80 {{; delay_loop 1; lvs_sched rr; lvs_method NAT; protocol TCP")
            parts += [f"real_server {member} {self.load.port} {{; weight 1; {check}; }}" for member in members]
            parts.append("}")
        return "; ".join(parts).replace("; ", "\n") + "\n"
