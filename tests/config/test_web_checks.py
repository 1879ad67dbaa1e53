"""Checks of HTTP, TCP, TLS and gRPC as a file has them: what they become, and where their faults are told."""

from typing import Any

import pytest

from checks.grpc import Grpc
from checks.http import Http, Https
from checks.tcp import Tcp
from checks.tls import TlsHandshake
from healthlb.config.walk import WRONG

HEAD = "virtual_servers:\n  shop:\n    address: 192.0.2.10:80\n    real_servers: [192.0.2.11]\n    check:\n"


def conversation(file: Any, text: str) -> Any:
    """Load a file with this check, and return the check as the engine gets it."""
    [server] = file.load(HEAD + text).virtual_servers["shop"].real_servers
    [probe] = server.probes
    return probe.check.conversation


@pytest.mark.parametrize("version", ["1.0", "'1.0'", "1.1", "2"])
def test_a_version_needs_no_quotes(file: Any, version: str) -> None:
    assert conversation(file, f"      type: http\n      version: {version}\n").version == version.strip("'")


def test_json_values_keep_their_types(file: Any) -> None:
    text = '      type: http\n      json: {/a: up, /b: 3, /c: true, /d: null, /e: "3", "": 1.5}\n'
    wanted = (("/a", '"up"'), ("/b", "3"), ("/c", "true"), ("/d", "null"), ("/e", '"3"'), ("", "1.5"))
    assert conversation(file, text).json == wanted


def test_requests_take_what_they_lack_from_the_check(file: Any) -> None:
    check = conversation(
        file,
        """\
      type: https
      host: shop.example
      status: 200
      requests:
        - path: /
        - {path: /db, status: [200, 503], expect: ready}
        - {}
""",
    )
    assert isinstance(check, Https)
    assert [(each.path, each.status, each.expect) for each in check.asked()] == [
        ("/", ((200, 200),), None),
        ("/db", ((200, 200), (503, 503)), "ready"),
        ("/", ((200, 200),), None),
    ]
    assert {each.host for each in check.asked()} == {"shop.example"}
    assert check.tls.server_name == "shop.example"


def test_every_type_is_read(file: Any) -> None:
    assert conversation(file, "      type: http\n") == Http()
    assert conversation(file, '      {type: tcp, send: "PING\\r\\n", expect: +PONG}\n') == Tcp(
        send="PING\r\n", expect="+PONG"
    )
    assert conversation(file, "      {type: tls, warn_days: 30}\n") == TlsHandshake(warn_days=30)
    assert conversation(file, "      {type: grpc, service: a.B}\n") == Grpc(service="a.B")


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        (
            "{type: http, requests: [{}, {method: HEAD, expect: x}]}",
            "check.requests: [1].expect: the reply to HEAD has no body to look at; use GET",
        ),
        (
            "{type: http, requests: [{pathh: /}]}",
            "check.requests[0].pathh: unknown key; did you mean 'path'?",
        ),
        (
            "{type: http, json: {status: up}}",
            "check.json: 'status' is no JSON Pointer (RFC 6901): it would begin with /, as in /status",
        ),
        (
            "{type: http, json: {/a: [1]}}",
            "check.json./a: expected text, a number, true, false or null, found a list",
        ),
        ("{type: http, version: 3}", "check.version: expected 1.0, 1.1 or 2, found the number 3"),
        (
            "{type: http, digest: d41d8cd98f00b204e9800998ecf8427e}",
            "check.digest: expected the algorithm, too: md5:d41d8cd98f00b204e9800998ecf8427e",
        ),
        ("{type: http, username: probe}", "check.username: needs password_file"),
        (
            "{type: https, version: 2, tls: {alpn: http/1.1}}",
            "check.tls: alpn: HTTP/2 is h2 there, so http/1.1 must not be offered",
        ),
        ("{type: tcp, send_hex: 5}", "check.send_hex: expected text, found the number 5; put it in quotes"),
        ("{type: tcp, send: a, send_hex: '61'}", "check.send_hex: there is send, too; keep one of them"),
        ("{type: http, proxy_protocol: v3}", "check.proxy_protocol: expected v1 or v2, found 'v3'"),
        (
            "{type: grpc, metadata: {Upper: x}}",
            "check.metadata: 'Upper' is no name of metadata: small letters, digits and _ . -",
        ),
    ],
)
def test_a_fault_is_told_at_its_place(file: Any, check: str, fault: str) -> None:
    [told] = file.faults(f"{HEAD}      {check}\n")
    assert told.partition(": virtual_servers.shop.")[2] == fault
    assert told.startswith("healthlb.yaml:6:")
    assert repr(WRONG) not in told
