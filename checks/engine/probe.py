"""What the engine knows of one probe: what stays the same from run to run, and the run that is under way."""

from checks import Check, Done, ProxyProtocol, Target, Tls, Verdict
from checks.engine.deadlines import Bucket
from checks.engine.dialogue import Dialogue
from checks.engine.lines import Line, Pool
from checks.engine.sockets import SocketAddress
from checks.engine.tls import TlsStream
from checks.engine.words import Phase


class Probe:
    """One check of one target. It is `over` between runs; `serial` grows whenever it leaves a connection.

    `at_once` is the verdict of a check for which being connected is all, and `dry` is it if not even TLS or a header
    comes before; `plain` if it then is a pass that asks for nothing else. `turn` is the wait of its dialogue that its
    place on the wheel is reckoned from, `lack` what there was too little of to connect, `since` when, and `waited` for
    how long. `held` is for how long the loop had been held up when it began.
    """

    __slots__ = (
        "address",
        "at_once",
        "bucket",
        "certificate",
        "check",
        "closing",
        "datagrams",
        "deadline",
        "dialogue",
        "done",
        "dry",
        "error",
        "header",
        "held",
        "keep_evidence",
        "lack",
        "line",
        "outgoing",
        "over",
        "patient",
        "phase",
        "plain",
        "pool",
        "proxy",
        "scoped",
        "serial",
        "settings",
        "since",
        "started",
        "suspicious",
        "target",
        "tls",
        "touched",
        "turn",
        "unfinished",
        "waited",
    )

    def __init__(self, check: Check, target: Target, done: Done, pool: Pool, address: SocketAddress) -> None:
        self.check = check
        self.target = target
        self.done = done
        self.pool = pool
        self.address = address
        self.datagrams = pool.datagrams
        self.settings: Tls | None = None if pool.datagrams else check.tls
        self.at_once: Verdict | None = None if pool.datagrams else check.on_connect
        self.proxy: ProxyProtocol | None = None if pool.datagrams else check.proxy_protocol
        self.dry = self.at_once if self.settings is None and self.proxy is None else None
        self.plain: Verdict | None = None
        self.keep_evidence = False
        self.scoped = "%" in target.address
        self.suspicious = False
        self.line: Line | None = None
        self.bucket: Bucket[Probe] = Bucket(0.0)
        self.deadline = self.started = self.touched = self.since = self.waited = self.held = 0.0
        self.phase = Phase.CONNECTING
        self.serial = 0
        self.over = True
        self.unfinished = False
        self.lack: OSError | None = None
        self.forget()

    def forget(self) -> None:
        """Forget what a conversation or a handshake has left."""
        self.dialogue: Dialogue | None = None
        self.tls: TlsStream | None = None
        self.outgoing = self.header = b""
        self.error = self.turn = 0
        self.patient = self.closing = False
        self.certificate = ""

    def doing(self) -> Phase:
        """Return what the probe is at, for its reason."""
        return Phase.SENDING if self.outgoing or self.error else self.phase
