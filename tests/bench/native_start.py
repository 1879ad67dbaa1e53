"""How long each command takes from its start to its end, beside programs that on-call knows.

Those that ask a director ask one that runs, with a table in memory. Prints figures; asserts nothing about time.
"""

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

ROUNDS = 15
HEALTHLB = (sys.executable, "-m", "healthlb")
BESIDE = (("ipvsadm", "--version"), ("keepalived", "--version"), (sys.executable, "-c", "pass"))
FILE = """
api: {{listen: '127.0.0.1:{port}', admin: 'unix:{folder}/admin.sock'}}
director: {{state_dir: '{folder}'}}
virtual_servers:
  shop: {{address: '127.0.0.9:80', method: nat, real_servers: ['127.0.0.1:9', '127.0.0.2:9']}}
"""


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Return the median of the milliseconds that a command takes, and the least of its CPU milliseconds."""
    wall, cpu = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        wall.append(time.perf_counter() - began)
        cpu.append(used.ru_utime + used.ru_stime)
    return statistics.median(wall) * 1000, min(cpu) * 1000


@contextlib.contextmanager
def director(folder: Path) -> Iterator[str]:
    """Run a director; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    file = folder / "healthlb.yaml"
    file.write_text(FILE.format(port=port, folder=folder))
    process = subprocess.Popen([*HEALTHLB, "run", "--dry-run", "-c", str(file)], stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/healthz", timeout=5):  # noqa: S310
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Print a row for each command."""
    with tempfile.TemporaryDirectory() as name, director(Path(name)) as url:
        admin, file = f"unix:{name}/admin.sock", f"{name}/healthlb.yaml"
        lines = [
            *("--version", "--help", "drain --help", "completion bash", f"__complete drain --url {url} sh"),
            *(f"status --url {url}", f"status --json --url {url}", f"events --url {url}", f"overrides --url {url}"),
            *(f"weight shop 127.0.0.1:9 5 --url {admin}", f"drain shop 127.0.0.1:9 --url {admin}"),
            *(f"undrain shop 127.0.0.1:9 --url {admin}", f"reload --url {admin}"),
            *(f"status -c {file}", f"validate -c {file}", "checks", "schema"),
        ]
        print(f"{'command':40} {'median':>9} {'CPU':>9}")
        for command in [each for each in BESIDE if shutil.which(each[0])]:
            wall, cpu = measured(command)
            print(f"{' '.join((Path(command[0]).name, *command[1:])):40} {wall:6.0f} ms {cpu:6.0f} ms")
        for line in lines:
            wall, cpu = measured([*HEALTHLB, *line.split()])
            print(f"{'healthlb ' + line.split(' --url')[0].split(' -c')[0]:40} {wall:6.0f} ms {cpu:6.0f} ms")


if __name__ == "__main__":
    main()
