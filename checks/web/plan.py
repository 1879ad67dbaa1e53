"""What is the same in every probe of a check, worked out at its first: requests as bytes, their judges and steps."""

from dataclasses import dataclass, replace

from checks import Step, Target
from checks.web.judge import Judge
from checks.web.options import Request
from checks.web.request import (
    Fields,
    as_text,
    authorization,
    default_host,
    fields_of,
    hide_secrets,
    path_without_secrets,
    public,
    without_secrets,
)

TARGETS_KEPT = 65536
NO_FIELDS: Fields = []
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Idempotent methods, RFC 9110 section 9.2.2."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One request to one target, ready to be sent. There is one for each of ten thousand targets, so it is small.

    `fields` are for HTTP/2, which makes its bytes of them; elsewhere `step` has the bytes.
    """

    request: Request
    judge: Judge
    step: Step
    fields: Fields

    @property
    def anew(self) -> Step:
        """Return the step on a new connection."""
        return replace(self.step, reconnect=True)

    @property
    def name(self) -> str:
        """Return how the request is named among several."""
        return path_without_secrets(self.request.path)

    @property
    def repeatable(self) -> bool:
        """Whether it may be asked again on a new connection, where the server closed the old one meanwhile."""
        return self.request.method in REPEATABLE


@dataclass(frozen=True, slots=True)
class Credentials:
    """The options that say who asks; the secrets are read from their files."""

    username: str | None = None
    password_file: str | None = None
    bearer_file: str | None = None

    def read(self) -> str | None:
        """Return the Authorization header's value. Raise UnusableError."""
        return authorization(self.username, self.password_file, self.bearer_file)


class Plan:
    """The requests of one check. `version` is 1.0, 1.1 or 2."""

    def __init__(
        self, requests: tuple[Request, ...], version: str, default_port: int, credentials: Credentials | None
    ) -> None:
        self.version = version
        self._requests = [(request, Judge(request)) for request in requests]
        self._default_port = default_port
        self._credentials = credentials
        self._same_for_all = all(request.host is not None for request in requests)
        self._known: dict[tuple[str, int] | None, tuple[str | None, tuple[Asking, ...]]] = {}

    def askings(self, target: Target) -> tuple[Asking, ...]:
        """Return the requests to a target. Raise UnusableError where a secret cannot be read."""
        credentials = None if self._credentials is None else self._credentials.read()
        key = None if self._same_for_all else (target.address, target.port)
        known = self._known.get(key)
        if known is None or known[0] != credentials:
            if len(self._known) >= TARGETS_KEPT:
                self._known.clear()
            known = self._known[key] = (credentials, self._made(target, credentials))
        return known[1]

    def _made(self, target: Target, credentials: str | None) -> tuple[Asking, ...]:
        last = self._requests[-1][0]
        authority = default_host(target, self._default_port)
        return tuple(
            self._asking(request, judge, request.host or authority, credentials, request is last)
            for request, judge in self._requests
        )

    def _asking(self, request: Request, judge: Judge, host: str, credentials: str | None, last: bool) -> Asking:
        close = None if self.version == "2" else last or self.version == "1.0"
        fields = fields_of(request, host, credentials, close=close)
        bare, told = without_secrets(fields), public(request)
        same = bare is None and told == request and self.version != "2"
        shown = None if same else as_text(told, self.version, bare or fields)
        send = b"" if self.version == "2" else as_text(request, self.version, fields)
        hide_secrets(request)
        return Asking(request, judge, Step(send, shown=shown), fields if self.version == "2" else NO_FIELDS)
