"""What the engine knows of one probe under way."""

import socket

from checks import Check, Done, Target, Tls
from checks.engine.dialogue import Dialogue
from checks.engine.tls import TlsStream
from checks.engine.words import Phase


class Probe:
    """One probe under way, until it is `over`. `turn` is the wait of its dialogue that `due` is reckoned from."""

    __slots__ = (
        "certificate",
        "check",
        "closing",
        "datagrams",
        "deadline",
        "dialogue",
        "done",
        "due",
        "error",
        "file",
        "keep_evidence",
        "outgoing",
        "over",
        "patient",
        "phase",
        "settings",
        "socket",
        "started",
        "target",
        "tls",
        "touched",
        "turn",
        "unfinished",
    )

    def __init__(self, check: Check, target: Target, deadline: float, done: Done, dialogue: Dialogue) -> None:
        self.check = check
        self.target = target
        self.deadline = deadline
        self.done = done
        self.dialogue = dialogue
        self.settings: Tls | None = None
        self.socket: socket.SocketType | None = None
        self.file = -1
        self.datagrams = False
        self.started = self.touched = self.due = 0.0
        self.phase = Phase.CONNECTING
        self.tls: TlsStream | None = None
        self.outgoing = b""
        self.over = self.patient = self.closing = self.unfinished = False
        self.turn = 0
        self.certificate = ""
        self.error = 0
        self.keep_evidence = False

    def doing(self) -> Phase:
        """Return what the probe is at, for its reason."""
        return Phase.SENDING if self.outgoing or self.error else self.phase
