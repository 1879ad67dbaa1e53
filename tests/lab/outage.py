"""What a failover costs clients: datagrams every 2 ms to the shared address, and a TCP connection that stays open."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

from pair import DATAGRAM_PORT, SHARED, PairNetwork
from topology import Machine
from traffic import PATIENCE, Connection, NoAnswerError
from waiting import eventually

FLOWING = 25
"""So many answers in a row, 50 ms of them, are a flow."""
RECENT = 0.1
"""Seconds since the last answer, at most, in a flow."""


class Datagrams:
    """A client's datagrams through NAT to the real server behind, every 2 ms, while the context lasts.

    ::

        with Datagrams(network) as datagrams:
            datagrams.mark()
            ...  # something happens, and its end is waited for
            seconds = datagrams.longest_gap()
    """

    def __init__(self, network: PairNetwork, address: str = SHARED) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", str(Path(__file__).with_name("outage_client.py"))),
                *(network.client.namespace, address, str(DATAGRAM_PORT)),
                f"{network.behind.namespace}:{DATAGRAM_PORT}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def until_they_flow(self) -> dict[str, float]:
        """Wait for many more answers without a gap between them, and return the report: a gap that lasts has to end."""
        before = self.ask("report")["answered"]
        return eventually(
            lambda: self.ask("report"),
            lambda report: (
                report["answered"] >= before + FLOWING
                and report["in_row"] >= FLOWING
                and 0 <= report["since_answer"] < RECENT
            ),
        )

    def mark(self) -> None:
        """Wait for a flow, and forget everything before now."""
        self.until_they_flow()
        self.ask("mark")

    def longest_gap(self) -> float:
        """Wait for a flow, and return the longest time, since the mark, in which nothing sent was answered; seconds."""
        return self.longest_gaps()[0]

    def longest_gaps(self) -> tuple[float, float]:
        """Return `longest_gap`, and the longest time in which the client itself sent nothing: it had no processor."""
        report = self.until_they_flow()
        return report["longest"], report["longest_pause"]

    def ask(self, question: str) -> dict[str, float]:
        """Return the client's answer to `mark` or `report`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(PATIENCE)


class LongConnection:
    """A TCP connection on which a thread asks again and again, while the context lasts.

    `failure` says what ended it, None while it lives; `answers` counts; `longest_wait` is for one answer, seconds.
    """

    def __init__(self, machine: Machine, address: str, port: int, *, pause: float = 0.05) -> None:
        self.failure: str | None = None
        self.answers = 0
        self.longest_wait = 0.0
        self._connection = Connection(machine, address, port, patience=60.0)
        self.port: int = self._connection._socket.getsockname()[1]
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def until_answered(self, more: int = 3) -> None:
        """Wait for so many more answers; raise NoAnswerError if the connection ends instead."""
        wanted = self.answers + more

        def enough() -> bool:
            if self.failure is not None:
                raise NoAnswerError(self.failure)
            return self.answers >= wanted

        eventually(enough, bool)

    def until_it_fails(self) -> str:
        """Wait until the connection has ended, and return why."""
        return eventually(lambda: self.failure, lambda failure: failure is not None) or ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._connection.lose_patience(1.0)
        self._thread.join(PATIENCE * 4)
        self._connection.close()

    def _ask(self) -> None:
        while not self._stop.wait(self._pause):
            begun = time.monotonic()
            try:
                self._connection.ask()
            except NoAnswerError as failure:
                self.failure = str(failure)
                return
            self.answers += 1
            self.longest_wait = max(self.longest_wait, time.monotonic() - begun)
