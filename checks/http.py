"""`http` and `https`: one request or several, and what the replies must be (RFC 9110, RFC 9112, RFC 9113).

A check is decided as soon as it can be: at the end of the headers when the status is wrong or no body is looked at,
else at the end of the body or after `body_limit` bytes of it, decoded, or when all that is looked for is a text that
has come and only a close would end the body. What follows is not looked at.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from checks import FILE, Check, Conversation, ProxyProtocol, Target, Tls, UnusableError
from checks.options import Choice, Integer, ListOf, Record, option
from checks.web.http2 import prepare_http2
from checks.web.kinds import USERNAME, HttpVersion
from checks.web.options import Each, Request, one_of_several, request_faults
from checks.web.over_http1 import ask_in_order, ask_once
from checks.web.over_http2 import ask_over_http2
from checks.web.plan import Credentials, Plan
from checks.wire.certificates import prepare_certificates, with_certificate
from checks.wire.searching import prepare_to_search

ALPN = {"1.0": ("http/1.0", "http/1.1"), "1.1": ("http/1.1",), "2": ("h2",)}
"""The protocols that may be offered in TLS for each version (RFC 7301, IANA's registry)."""


@dataclass(frozen=True, slots=True)
class Http(Request, Check):
    """Ask over HTTP and judge the status and, if wanted, the body.

    The options of a request are those of the only one, or with `requests` the defaults of each.
    """

    type: ClassVar[str] = "http"
    known_as: ClassVar[dict[str, str]] = {
        "keepalived": "HTTP_GET",
        "ldirectord": "service = http, service = http_proxy",
        "haproxy": "option httpchk",
    }
    default_port: ClassVar[int] = 80
    scheme: ClassVar[str] = "http"

    version: str = option(
        HttpVersion(),
        "Version of HTTP to ask in; 2 is spoken without asking first where there is no TLS.",
        "1.1",
        keepalived="http_protocol",
        haproxy="http-check send ver",
    )
    requests: tuple[Any, ...] = option(
        ListOf(Record(Each)),
        "Several requests, asked one after another until one fails, on one connection where version and server allow.",
        (),
        keepalived="url",
        haproxy="http-check send",
    )
    username: str | None = option(
        USERNAME, "User for basic authentication (RFC 7617), with password_file.", None, ldirectord="login"
    )
    password_file: str | None = option(FILE, "File that holds the user's password.", None, ldirectord="passwd")
    bearer_file: str | None = option(FILE, "File that holds a bearer token (RFC 6750).", None)
    proxy_protocol: ProxyProtocol | None = option(
        Choice(("v1", "v2")),
        "Version of the PROXY protocol header that goes before everything else; default: none.",
        None,
        haproxy="check-send-proxy",
    )

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        return _faults(self)

    def prepare(self) -> str | None:
        """Import what is heavy and read the secrets; return what is wrong with them."""
        if self.version == "2":
            prepare_http2()
        if any(each.expect_regex or each.reject_regex for each in self.asked()):
            prepare_to_search()
        try:
            self._credentials().read()
        except UnusableError as error:
            return str(error)
        return None

    def asked(self) -> tuple[Request, ...]:
        """Return the requests, each with all its options."""
        return tuple(one_of_several(each, self) for each in self.requests) or (self,)

    def converse(self, target: Target) -> Conversation:
        """Send the requests and judge the replies. Raise UnusableError where a secret cannot be read."""
        try:
            plan: Plan = self._plan
        except AttributeError:
            plan = Plan(self.asked(), self.version, self.default_port, self._credentials())
            object.__setattr__(self, "_plan", plan)
        askings = plan.askings(target)
        if self.version == "2":
            return ask_over_http2(askings, self.scheme)
        if len(askings) > 1:
            return ask_in_order(askings, persistent=self.version == "1.1")
        return ask_once(askings[0])

    def _credentials(self) -> Credentials:
        return Credentials(self.username, self.password_file, self.bearer_file)


@dataclass(frozen=True, slots=True)
class Https(Http):
    """The same over TLS. Without `tls.server_name`, the name in `host` is asked for and verified, if there is one."""

    type: ClassVar[str] = "https"
    known_as: ClassVar[dict[str, str]] = {
        "keepalived": "SSL_GET",
        "ldirectord": "service = https",
        "haproxy": "option httpchk with check-ssl",
    }
    default_port: ClassVar[int] = 443
    scheme: ClassVar[str] = "https"

    tls: Tls = option(Record(Tls), "How TLS is spoken; the certificate is verified by default.", Tls())
    warn_days: int = option(
        Integer(0, 3650, "days"), "Warn when the certificate ends sooner than in so many days; 0: never.", 0
    )

    def __post_init__(self) -> None:
        """Take the server's name from `host`, and offer HTTP/2 where it is what will be spoken."""
        name = None if self.tls.server_name is not None else _name_of_host(self.asked()[0].host or "")
        alpn = self.tls.alpn or (("h2",) if self.version == "2" else ())
        if name is not None or alpn != self.tls.alpn:
            object.__setattr__(self, "tls", replace(self.tls, server_name=name or self.tls.server_name, alpn=alpn))

    def prepare(self) -> str | None:
        """Import what is heavy and read the secrets; return what is wrong with them."""
        if self.warn_days:
            prepare_certificates()
        return Http.prepare(self)

    def converse(self, target: Target) -> Conversation:
        """Send the requests and judge the replies, and look at the certificate's last day if asked to."""
        talk = Http.converse(self, target)
        return with_certificate(talk, self.warn_days) if self.warn_days else talk


def _name_of_host(host: str) -> str | None:
    if host.startswith("["):
        return None
    name = host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name or None
    return None


def _faults(check: Http) -> Iterator[tuple[str, str]]:
    if check.requests:
        for number, request in enumerate(check.asked()):
            for key, sentence in request_faults(request, check.version):
                where = f"[{number}]." if getattr(check.requests[number], key) is not None else ""
                yield ("requests", f"{where}{key}: {sentence}") if where else (key, sentence)
    else:
        yield from request_faults(check, check.version)
    yield from _credential_faults(check)
    if check.tls is not None:
        for protocol in check.tls.alpn:
            if protocol not in ALPN[check.version]:
                wanted = " or ".join(ALPN[check.version])
                yield "tls", f"alpn: HTTP/{check.version} is {wanted} there, so {protocol} must not be offered"


def _credential_faults(check: Http) -> Iterator[tuple[str, str]]:
    if check.username is not None and check.password_file is None:
        yield "username", "needs password_file"
    if check.password_file is not None and check.username is None:
        yield "password_file", "needs username"
    if check.bearer_file is not None and check.username is not None:
        yield "bearer_file", "takes the place of username; leave one of them out"
    if (check.username or check.bearer_file) and any(
        name.lower() == "authorization" for request in check.asked() for name, _ in request.headers
    ):
        yield "headers", "Authorization is set by healthlb, from username or bearer_file"
