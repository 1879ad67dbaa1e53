"""The options of one request, and what is wrong between options that are each right."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, make_dataclass
from typing import Any

from checks.options import Integer, ListOf, Regex, TableOf, Text, option
from checks.web.json_values import PARSED_AT_MOST, pointer_faults
from checks.web.kinds import HOST, METHOD, NAME_FORM, PATH, VALUE, Digest, JsonScalar
from checks.wire.statuses import StatusRange

NO_BODY = frozenset({"HEAD", "CONNECT"})
FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding"})
NOT_IN_HTTP_2 = frozenset({"connection", "keep-alive", "proxy-connection", "upgrade", "te"})
OF_THE_BODY = ("expect", "expect_regex", "reject", "reject_regex", "digest", "json")


class Planned:
    """Has room for what is worked out once for a check (`checks.web.plan`), outside of its options."""

    __slots__ = ("_plan",)
    _plan: Any


@dataclass(frozen=True, slots=True)
class Request(Planned):
    """One request, and what its reply must be."""

    method: str = option(
        METHOD, "The request's method.", "GET", ldirectord="httpmethod", haproxy="http-check send meth"
    )
    path: str = option(
        PATH,
        "What is asked for, with its query if any.",
        "/",
        keepalived="url path",
        ldirectord="request",
        haproxy="http-check send uri",
    )
    host: str | None = option(
        HOST,
        "The Host header; default: the target's address, and its port if unusual.",
        None,
        keepalived="virtualhost",
        ldirectord="virtualhost",
        haproxy="http-check send hdr Host",
    )
    headers: tuple[tuple[str, str], ...] = option(
        TableOf(VALUE),
        "More headers; User-Agent, Accept and Connection replace ours.",
        (),
        haproxy="http-check send hdr",
    )
    body: str | None = option(
        Text(empty=True),
        "A body to send, as UTF-8, with its Content-Length.",
        None,
        haproxy="http-check send body",
    )
    status: tuple[tuple[int, int], ...] = option(
        ListOf(StatusRange(), single=True, minimum=1),
        "Statuses that pass; a redirect is a status like any other.",
        ((200, 299),),
        keepalived="url status_code",
        haproxy="http-check expect status",
    )
    expect: str | None = option(
        Text(),
        "Text that the body must contain, compared as UTF-8 bytes.",
        None,
        haproxy="http-check expect string",
    )
    expect_regex: re.Pattern[str] | None = option(
        Regex(),
        "Regular expression to find in the body, read as UTF-8; what is not valid becomes U+FFFD.",
        None,
        keepalived="url regex",
        ldirectord="receive",
        haproxy="http-check expect rstring",
    )
    reject: str | None = option(
        Text(), "Text that the body must not contain.", None, haproxy="http-check expect ! string"
    )
    reject_regex: re.Pattern[str] | None = option(
        Regex(),
        "Regular expression that must not be found in the body.",
        None,
        keepalived="url regex_no_match",
        haproxy="http-check expect ! rstring",
    )
    digest: tuple[str, str] | None = option(
        Digest(),
        "Digest of the whole body, without its chunk framing and with gzip or deflate undone.",
        None,
        keepalived="url digest",
    )
    json: tuple[tuple[str, str], ...] = option(
        TableOf(JsonScalar()),
        "What members of a JSON body must be, each named by its JSON Pointer: {/checks/db/state: up}.",
        (),
    )
    body_limit: int = option(
        Integer(1, 1 << 24, "bytes"),
        "Bytes of body, decoded, that are read; text is looked for in them alone, digest and json need the whole body.",
        65536,
    )


Each: Any = make_dataclass(
    "Each",
    [
        (
            each.name,
            Any,
            option(each.metadata["kind"], each.metadata["doc"].split("; default:")[0].rstrip(".") + ".", None),
        )
        for each in fields(Request)
    ],
    frozen=True,
    slots=True,
)
Each.__module__ = __name__
Each.__doc__ = "One of several requests; what it does not say is as the check has it."


def one_of_several(each: Any, check: Request) -> Request:
    """Return a request with the check's own options where it has none."""
    values = {
        field.name: getattr(check if getattr(each, field.name) is None else each, field.name)
        for field in fields(Request)
    }
    return Request(**values)


def request_faults(request: Request, version: str) -> Iterator[tuple[str, str]]:
    """Yield (option, sentence) for what is wrong in one request."""
    if request.method in NO_BODY:
        for name in OF_THE_BODY:
            if getattr(request, name):
                yield name, f"the reply to {request.method} has no body to look at; use GET"
    for sentence in _header_faults(request.headers, version):
        yield "headers", sentence
    for sentence in pointer_faults(name for name, _ in request.json):
        yield "json", sentence
    if request.json and request.body_limit > PARSED_AT_MOST:
        yield "body_limit", f"at most {PARSED_AT_MOST} bytes of JSON are parsed"
    if version == "2":
        if not request.path.startswith("/"):
            yield "path", "begins with / in HTTP/2"
        if request.method == "CONNECT":
            yield "method", "CONNECT is not asked over HTTP/2 here"


def _header_faults(headers: tuple[tuple[str, str], ...], version: str) -> Iterator[str]:
    seen: set[str] = set()
    for name, _ in headers:
        lower = name.lower()
        if re.fullmatch(NAME_FORM, name) is None:
            escaped = name.encode("unicode_escape").decode("ascii")
            yield f"'{escaped}' cannot be a header's name (RFC 9110 section 5.1)"
        elif lower == "host":
            yield "the Host header has its own option: host"
        elif lower in FRAMING_HEADERS:
            yield f"{name} is set by healthlb, from body"
        elif lower in NOT_IN_HTTP_2 and version == "2":
            yield f"{name} does not exist in HTTP/2 (RFC 9113 section 8.2.2)"
        elif lower in seen:
            yield f"{name} is there twice"
        seen.add(lower)
