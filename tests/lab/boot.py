"""Boot a guest with a real IPVS kernel, run one command in it, and collect what it said.

A guest is either User Mode Linux (a kernel that runs as an ordinary process, sees the host's files read-only and needs
no root) or, where the machine's own kernel has IPVS and we are root, fresh network, mount and process namespaces of
that kernel. ``HEALTHLB_LAB`` is ``uml``, ``host`` or ``auto`` (the default: host where it works, else UML).

Host and guest share one temporary directory: ``command``, ``environment`` and ``directory`` go in; ``booted``,
``failure``, ``stdout``, ``stderr``, ``status`` and ``console`` come out.

By hand, from the repository's root::

    .venv/bin/python tests/lab/boot.py -- sh -c 'ipvsadm -A -t 11.197.140.20:18089 -s rr; ipvsadm -Ln'
"""

import argparse
import functools
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from watched import Watched

HERE = Path(__file__).resolve().parent
BOOT_DEADLINE = 180.0
"""Seconds; a boot takes two on a quiet machine."""
CONSOLE_TAIL_LINES = 50
Mode = Literal["uml", "host"]


class GuestError(Exception):
    """A guest that did not boot, died or ran out of time; the text ends with the last lines of its console."""


class Guest:
    """One guest and the one command that it runs. Use it as a context manager: leaving kills whatever still runs.

    ``command`` is an argument list; ``directory`` is where it starts (the same path inside and outside); ``memory`` is
    in User Mode Linux's spelling; ``serial`` is one end of a socket pair, which the guest finds under ``LAB_SERIAL``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        memory: str = "1024M",
        serial: int | None = None,
        mode: Mode | None = None,
    ) -> None:
        self.mode: Mode = mode or chosen_mode()
        self.shared = Path(tempfile.mkdtemp(prefix="healthlb-lab-"))
        self.stdout = self.shared / "stdout"
        self.stderr = self.shared / "stderr"
        self._memory = memory
        self._serial = serial
        self._process: Watched | None = None
        variables = {"HEALTHLB_IN_GUEST": self.mode, "LAB_SHARED": str(self.shared), **(environment or {})}
        if serial is not None:
            variables["LAB_SERIAL"] = "/dev/ttyS0" if self.mode == "uml" else f"fd:{serial}"
        self._write("command", shlex.join(command))
        self._write("environment", "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()))
        self._write("directory", str(directory or Path.cwd()))
        self.stdout.touch()
        self.stderr.touch()

    def start(self) -> None:
        """Start booting and return at once; raise GuestError if the guest cannot even be started."""
        shutil.copy(HERE / "guest.sh", self.shared / "guest.sh")
        arguments, environment = self._uml() if self.mode == "uml" else self._host()
        try:
            self._process = Watched(
                arguments,
                self.shared / "console",
                environment,
                descriptors=() if self._serial is None else (self._serial,),
            )
        except FileNotFoundError as error:
            remedy = "`make test` installs Debian's user-mode-linux"
            raise GuestError(f"The guest cannot be started, {arguments[0]} is not there: {remedy}.") from error
        except OSError as error:
            raise GuestError(f"The guest cannot be started: {error}.") from error

    def poll(self) -> int | None:
        """Return the command's exit status, or None while it runs; raise GuestError if the guest is gone."""
        if self._process is None:
            raise GuestError("The guest has not been started.")
        gone = self._process.poll() is not None
        if (self.shared / "status").exists():
            return int((self.shared / "status").read_text())
        if (self.shared / "failure").exists():
            raise GuestError(f"The guest did not boot: {(self.shared / 'failure').read_text().strip()}")
        if gone:
            raise GuestError(f"The guest died.\n{self.console_tail()}")
        return None

    def booted(self) -> bool:
        """Return True once the command has been started."""
        return (self.shared / "booted").exists()

    def wait(self, deadline: float) -> int:
        """Wait at most ``deadline`` seconds after boot and return the exit status; raise GuestError."""
        started = time.monotonic()
        limit = started + BOOT_DEADLINE
        booted = False
        while (status := self.poll()) is None:
            if not booted and self.booted():
                booted = True
                limit = time.monotonic() + deadline
            if time.monotonic() > limit:
                what = f"the command did not end within {deadline:g} s" if booted else "the guest did not boot in time"
                raise GuestError(f"Given up: {what}.\n{self.console_tail()}")
            time.sleep(0.02)
        return status

    def console_tail(self) -> str:
        """Return the last lines of the guest's console and of its command's errors, with a heading each."""
        tails = []
        for name in ("console", "stderr"):
            path = self.shared / name
            lines = path.read_text(errors="replace").splitlines() if path.exists() else []
            if lines:
                tails += [f"--- the guest's {name}, last lines ---", *lines[-CONSOLE_TAIL_LINES:]]
        return "\n".join(tails)

    def close(self) -> None:
        """Kill the guest if it still runs and remove the shared directory."""
        if self._process is not None:
            self._process.end()
        shutil.rmtree(self.shared, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _write(self, name: str, text: str) -> None:
        (self.shared / name).write_text(f"{text}\n")

    def _uml(self) -> tuple[list[str], dict[str, str]]:
        arguments = [
            "linux.uml",
            f"mem={self._memory}",
            *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
            *(f"init={self.shared}/guest.sh", f"uml_dir={self.shared}/uml/"),
            *(f"LAB={self.shared}", "LAB_MODE=uml"),
            *("con=null", "con0=fd:0,fd:1", "quiet"),
        ]
        if self._serial is not None:
            arguments.append(f"ssl0=fd:{self._serial},fd:{self._serial}")
        environment = {"TMPDIR": str(self._memory_directory())}
        if has_amx():
            environment["LD_PRELOAD"] = str(self._compiled_preload())
        return arguments, environment

    def _host(self) -> tuple[list[str], dict[str, str]]:
        namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return ["unshare", *namespaces, "sh", f"{self.shared}/guest.sh"], {"LAB": str(self.shared), "LAB_MODE": "host"}

    def _memory_directory(self) -> Path:
        """Return where the guest's memory lives: /dev/shm unless it is too small or noexec, as containers have it."""
        wanted = int(self._memory[:-1]) << {"K": 10, "M": 20, "G": 30}[self._memory[-1].upper()]
        try:
            room = os.statvfs("/dev/shm")
        except OSError:
            return self.shared
        suitable = room.f_bavail * room.f_frsize >= wanted and not room.f_flag & os.ST_NOEXEC
        return Path("/dev/shm") if suitable else self.shared

    def _compiled_preload(self) -> Path:
        library = self.shared / "whole_xstate.so"
        compiler = next((found for name in ("cc", "gcc", "tcc") if (found := shutil.which(name))), None)
        if compiler is None:
            raise GuestError("This CPU has AMX, for which User Mode Linux needs a small library: install Debian's tcc.")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-nostdlib", "-o", library, HERE / "whole_xstate.c"], check=True, timeout=60
        )
        return library


def has_amx() -> bool:
    """Say whether the CPU has the vector state that whole_xstate.c is about."""
    return "amx_tile" in Path("/proc/cpuinfo").read_text()


@functools.cache
def chosen_mode() -> Mode:
    """Return what HEALTHLB_LAB asks for; raise GuestError for a word that it does not know."""
    wanted = os.environ.get("HEALTHLB_LAB", "auto")
    if wanted == "uml" or (wanted == "auto" and not host_is_able()):
        return "uml"
    if wanted in ("host", "auto"):
        return "host"
    raise GuestError(f"HEALTHLB_LAB is {wanted!r}; it can be uml, host or auto.")


def host_is_able() -> bool:
    """Say whether the machine's own kernel can be the lab: we are root, and it has IPVS and all that the lab loads."""
    modprobe = Path("/proc/sys/kernel/modprobe")
    if os.geteuid() != 0 or not modprobe.exists():
        return False
    if not Path("/proc/net/ip_vs").exists():
        program = modprobe.read_text().strip()
        if not program or not Path(program).exists():
            return False
        if subprocess.run([program, "--dry-run", "--quiet", "ip_vs"], capture_output=True, check=False).returncode != 0:
            return False
    try:
        with Guest(["ipvsadm", "-A", "-t", "127.0.0.1:1", "-s", "mh"], mode="host") as guest:
            return guest.wait(30) == 0
    except GuestError:
        return False


def run(command: Sequence[str], *, deadline: float, memory: str, mode: Mode | None) -> int:
    """Run the command in a guest, copying its output as it comes, and return its exit status; raise GuestError."""
    with (
        Guest(command, memory=memory, mode=mode) as guest,
        guest.stdout.open("rb") as out,
        guest.stderr.open("rb") as err,
    ):
        started = time.monotonic()
        while True:
            status = guest.poll()
            for source, target in ((out, sys.stdout.buffer), (err, sys.stderr.buffer)):
                target.write(source.read())
                target.flush()
            if status is not None:
                return status
            if time.monotonic() - started > deadline:
                raise GuestError(f"Given up after {deadline:g} s.\n{guest.console_tail()}")
            time.sleep(0.02)


def main() -> int:
    """Run the command line's command in a guest."""
    parser = argparse.ArgumentParser(description="Run a command in a guest with a real IPVS kernel.")
    parser.add_argument("--mode", choices=("uml", "host"), help="default: HEALTHLB_LAB, else what works here")
    parser.add_argument("--memory", default="1024M", help="of the private kernel (default: %(default)s)")
    parser.add_argument("--deadline", type=float, default=600.0, help="seconds (default: %(default)g)")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    arguments = parser.parse_args()
    try:
        return run(arguments.command, deadline=arguments.deadline, memory=arguments.memory, mode=arguments.mode)
    except GuestError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has had enough, as in `boot.py -- … | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
