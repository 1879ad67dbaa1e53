"""The program behind outage.py: a client's datagrams every 2 ms, and what answers them, in one loop.

Arguments: the client's namespace, address and port to send to, then `NAMESPACE:PORT` of everybody who echoes. Each line
of standard input is a question that one line of JSON answers: `mark` forgets the past, `report` tells it (keys: see
`Flow.report`). Ends with its input. One process with the sockets of several namespaces, because a guest has one CPU and
every change of process would be measured along.
"""

import contextlib
import ctypes
import json
import os
import select
import socket
import struct
import sys
import time

EVERY = 0.002
CLONE_NEWNET = 0x40000000
SO_TIMESTAMPNS = 35
"""Of Linux asm-generic/socket.h; the stamp comes as a control message of the same number, a timespec."""
FORM = struct.Struct("!Q")
TIMESPEC = struct.Struct("@ll")
FIRST = 50
"""Priority among real-time processes: what measures is not to wait for what is measured."""
_libc = ctypes.CDLL(None, use_errno=True)


class Flow:
    """What became of the datagrams since the last mark; times are UNIX seconds, as the kernel stamps arrivals."""

    def __init__(self) -> None:
        self.sent = self.answered = self.in_row = 0
        self.longest = self.longest_pause = 0.0
        self.last: float | None = None
        self.last_sequence = 0
        self.last_sending: float | None = None

    def mark(self) -> None:
        """Forget the past but for the last answer: a gap that begins now begins there."""
        self.sent = self.answered = self.in_row = 0
        self.longest = self.longest_pause = 0.0

    def sending(self, now: float) -> None:
        """Note that a datagram leaves."""
        self.sent += 1
        if self.last_sending is not None:
            self.longest_pause = max(self.longest_pause, now - self.last_sending)
        self.last_sending = now

    def heard(self, sequence: int, arrived: float) -> None:
        """Note an answer, and when the kernel had it: how late we read it is no outage."""
        if self.last is not None:
            self.longest = max(self.longest, arrived - self.last)
        self.in_row = self.in_row + 1 if sequence == self.last_sequence + 1 else 1
        self.answered += 1
        self.last, self.last_sequence = arrived, sequence

    def report(self, now: float) -> dict[str, float]:
        """Return counts, the longest gap between two answers, and our own longest pause between two sendings."""
        return {
            "sent": self.sent,
            "answered": self.answered,
            "in_row": self.in_row,
            "longest": self.longest,
            "since_answer": now - self.last if self.last is not None else -1.0,
            "longest_pause": self.longest_pause,
        }


def opened(namespace: str, family: int) -> socket.socket:
    """Return a datagram socket of another namespace."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        for_errors = f"{namespace} cannot be entered"
        if _libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), for_errors)
        made = socket.socket(family, socket.SOCK_DGRAM)
        if _libc.setns(here, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), for_errors)
    finally:
        os.close(here)
        os.close(there)
    made.setblocking(False)
    return made


def arrival(client: socket.socket) -> tuple[int, float]:
    """Receive one answer, and return its number and when the kernel had it; raise OSError if there is none."""
    data, controls, _, _ = client.recvmsg(64, 128)
    seconds, nanoseconds = TIMESPEC.unpack(controls[0][2][: TIMESPEC.size])
    return FORM.unpack(data)[0], seconds + nanoseconds / 1e9


def main() -> None:
    """Send, echo and answer questions until the input ends."""
    namespace, address, port, *echoes = sys.argv[1:]
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIRST))
    client = opened(namespace, socket.AF_INET6 if ":" in address else socket.AF_INET)
    client.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    servers = []
    for echo in echoes:
        where, echo_port = echo.rsplit(":", 1)
        server = opened(where, socket.AF_INET6)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", int(echo_port)))
        servers.append(server)
    loop(client, (address, int(port)), servers)


def loop(client: socket.socket, target: tuple[str, int], servers: list[socket.socket]) -> None:
    """Do all the work. A sending that is late is made up for by none: the next one comes when it is due."""
    flow = Flow()
    sequence = 0
    due = time.monotonic()
    everything = [client, *servers, sys.stdin]
    while True:
        readable, _, _ = select.select(everything, [], [], max(0.0, due - time.monotonic()))
        for one in readable:
            if one is client:
                with contextlib.suppress(OSError):
                    flow.heard(*arrival(client))
            elif one is sys.stdin:
                question = sys.stdin.readline()
                if not question:
                    return
                if question.strip() == "mark":
                    flow.mark()
                print(json.dumps(flow.report(time.time())), flush=True)
            else:
                with contextlib.suppress(OSError):
                    data, who = one.recvfrom(64)
                    one.sendto(data, who)
        now = time.monotonic()
        if now >= due:
            sequence += 1
            flow.sending(time.time())
            with contextlib.suppress(OSError):  # nobody has the address just now
                client.sendto(FORM.pack(sequence), target)
            due = max(due + EVERY, now)


main()
