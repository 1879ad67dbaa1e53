"""HTTP checks against nginx: versions, framing, TLS, credentials, the PROXY protocol."""

import datetime as dt
import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from checks import ProbeResult, Tls
from checks.http import Http, Https
from checks.tcp import Tcp
from checks.tls import TlsHandshake
from checks.web.options import Each
from ports import free_port
from probing import probe
from real_server import RealServer

CONFIGURATION = """
daemon off;
user root;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/plain txt; }}
    gzip on;
    gzip_types text/plain;
    gzip_min_length 20;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{proxied} proxy_protocol;
        listen 127.0.0.1:{cleartext2} http2;
        listen 127.0.0.1:{tls} ssl;
        listen 127.0.0.1:{tls2} ssl http2;
        root {folder}/files;
        location = /where {{ return 200 "$proxy_protocol_addr to port $proxy_protocol_server_port"; }}
        location = /asked {{ return 200 "$request_method $server_protocol $http_user_agent"; }}
        location = /connection {{ return 200 "$connection $connection_requests"; }}
        location = /json {{ return 200 '{{"status": "up", "checks": {{"db": {{"state": "up", "ms": 3.0}}}}}}'; }}
        location = /moved {{ return 301 /elsewhere; }}
        location = /down {{ return 503; }}
        location = /echo {{ client_body_in_single_buffer on; proxy_pass http://127.0.0.1:{plain}/asked; }}
        location /private/ {{
            auth_basic "private";
            auth_basic_user_file {folder}/users;
            alias {folder}/files/;
        }}
        location = /token {{
            if ($http_authorization != "Bearer opensesame") {{ return 401; }}
            return 200 "come in";
        }}
    }}
    server {{
        listen 127.0.0.1:{once};
        listen 127.0.0.1:{once2} http2;
        keepalive_requests 1;
        location / {{ return 200 "$connection_requests"; }}
    }}
}}
"""
LISTENERS = ("plain", "proxied", "cleartext2", "tls", "tls2", "once", "once2")
TEXT = "".join(random.Random(7).choices("abcdefgh \n", k=300_000)) + "well"


class Nginx:
    """A running nginx: its ports by name, and its files."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.folder = folder
        self.ports = ports
        self.ca_file = str(folder / "ca.pem")

    def probe(self, check: Any, port: str = "plain") -> ProbeResult:
        return probe(check, self.ports[port])

    def https(self, **options: Any) -> Https:
        return Https(tls=Tls(ca_file=self.ca_file, server_name="web.example"), **options)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    folder = tmp_path_factory.mktemp("nginx")
    folder.joinpath("files").mkdir()
    folder.joinpath("files", "index.html").write_text("x" * 1024)
    folder.joinpath("files", "long.txt").write_text(TEXT)
    folder.joinpath("users").write_text("probe:{PLAIN}hunter2\n")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=90)
    authority.issue_cert("web.example", not_after=ends).private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    ports = {name: free_port() for name in LISTENERS}
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, **ports))
    argv = ["nginx", "-e", folder / "error.log", "-c", configuration]
    with RealServer(argv, folder / "log").wait_for(ports["plain"]):
        yield Nginx(folder, ports)


@pytest.mark.parametrize(
    ("check", "port"),
    [
        (Http(), "plain"),
        (Http(version="1.0"), "plain"),
        (Http(version="2"), "cleartext2"),
        (Http(method="HEAD"), "plain"),
        (Http(version="2", method="HEAD"), "cleartext2"),
        (Http(version="1.0", method="HEAD"), "plain"),
    ],
)
def test_every_version_gets_its_answer(nginx: Nginx, check: Http, port: str) -> None:
    result = nginx.probe(check, port)
    assert (result.passed, result.reason) == (True, "200" if check.version == "2" else "200 OK")


@pytest.mark.parametrize(("version", "port"), [("1.0", "plain"), ("1.1", "plain"), ("2", "cleartext2")])
def test_the_server_sees_the_version_that_was_asked_for(nginx: Nginx, version: str, port: str) -> None:
    protocol = "HTTP/2.0" if version == "2" else f"HTTP/{version}"
    assert nginx.probe(Http(version=version, path="/asked", expect=f"GET {protocol} healthlb"), port).passed


@pytest.mark.parametrize(("version", "port"), [("1.0", "tls"), ("1.1", "tls"), ("1.1", "tls2"), ("2", "tls2")])
def test_every_version_is_spoken_over_tls(nginx: Nginx, version: str, port: str) -> None:
    result = nginx.probe(nginx.https(version=version, path="/asked", expect="healthlb"), port)
    assert (result.passed, result.evidence and result.evidence.certificate[:11]) == (True, "web.example")


def test_a_server_that_does_not_speak_http_2_is_told_as_such(nginx: Nginx) -> None:
    result = nginx.probe(nginx.https(version="2"), "tls")
    assert result.reason == "the server agreed to none of the offered protocols"
    assert nginx.probe(Http(version="2"), "plain").reason == "the server answered in HTTP/1, not in HTTP/2"
    assert nginx.probe(Http(), "cleartext2").reason == "not an HTTP reply: the server seems to speak HTTP/2"


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize(("version", "port"), [("1.0", "plain"), ("1.1", "plain"), ("2", "cleartext2")])
def test_a_long_body_is_judged_whole_however_it_is_carried(nginx: Nginx, coding: str, version: str, port: str) -> None:
    check = Http(
        version=version,
        path="/long.txt",
        headers=(("Accept-Encoding", coding),),
        digest=("sha256", hashlib.sha256(TEXT.encode()).hexdigest()),
        expect_regex=re.compile("well$"),
        reject="unwell",
        body_limit=1 << 20,
    )
    result = nginx.probe(check, port)
    assert (result.passed, result.reason[:3]) == (True, "200")
    assert result.evidence is not None
    # nginx compresses for HTTP/1.1 and later: gzip_http_version.
    assert version != "1.1" or (b"Content-Encoding: gzip" in result.evidence.received) == (coding == "gzip")


def test_members_of_a_json_body_are_compared(nginx: Nginx) -> None:
    assert nginx.probe(Http(path="/json", json=(("/status", '"up"'), ("/checks/db/ms", "3")))).passed
    result = nginx.probe(Http(path="/json", json=(("/checks/db/state", '"down"'),)))
    assert result.reason == '200, but /checks/db/state is "up", expected "down"'


@pytest.mark.parametrize(("path", "reason"), [("/moved", "status 301"), ("/down", "status 503"), ("/no", "status 404")])
@pytest.mark.parametrize(("version", "port"), [("1.0", "plain"), ("1.1", "plain"), ("2", "cleartext2")])
def test_another_status_fails(nginx: Nginx, version: str, port: str, path: str, reason: str) -> None:
    result = nginx.probe(Http(version=version, path=path), port)
    assert (result.passed, result.reason) == (False, f"{reason}, expected 200-299")


@pytest.mark.parametrize(("version", "port"), [("1.0", "plain"), ("1.1", "plain"), ("2", "cleartext2")])
def test_credentials_open_what_is_closed(nginx: Nginx, version: str, port: str) -> None:
    right, wrong, token = (nginx.folder / name for name in ("right", "wrong", "token"))
    right.write_text("hunter2\n")
    wrong.write_text("hunter3\n")
    token.write_text("opensesame\n")
    private = Http(version=version, path="/private/long.txt")
    assert nginx.probe(private, port).reason == "status 401, expected 200-299"
    for path, passed in ((right, True), (wrong, False)):
        check = Http(version=version, path="/private/long.txt", username="probe", password_file=str(path))
        result = nginx.probe(check, port)
        assert result.passed == passed
        assert result.evidence is not None
        assert b"Authorization: ***" in result.evidence.sent
    assert nginx.probe(Http(version=version, path="/token", bearer_file=str(token)), port).passed


def test_a_post_arrives_with_its_body(nginx: Nginx) -> None:
    for version, port in (("1.0", "plain"), ("1.1", "plain"), ("2", "cleartext2")):
        check = Http(version=version, method="POST", path="/echo", body="x" * 300_000, expect="POST HTTP/1.0")
        assert nginx.probe(check, port).passed, version


# Version 2 says LOCAL, the prober speaks for itself, and nginx has no address then.
@pytest.mark.parametrize(("version", "said"), [("v1", "127.0.0.1 to port {port}"), ("v2", " to port ")])
def test_the_proxy_protocol_names_the_prober(nginx: Nginx, version: Any, said: str) -> None:
    expected = re.compile(f"^{said.format(port=nginx.ports['proxied'])}$")
    result = nginx.probe(Http(path="/where", expect_regex=expected, proxy_protocol=version), "proxied")
    assert (result.passed, result.reason) == (True, "200 OK")


def test_without_the_proxy_protocol_such_a_server_does_not_answer(nginx: Nginx) -> None:
    assert not nginx.probe(Http(), "proxied").passed


THREE = (Each(path="/connection"), Each(path="/asked"), Each(path="/connection", expect_regex=re.compile(r" 3$")))


@pytest.mark.parametrize(("version", "port"), [("1.1", "plain"), ("2", "cleartext2")])
def test_several_requests_take_one_connection(nginx: Nginx, version: str, port: str) -> None:
    result = nginx.probe(Http(version=version, requests=THREE), port)
    assert (result.passed, result.reason[-24:]) == (True, ", the last of 3 requests")


def test_several_requests_over_tls_take_one_connection(nginx: Nginx) -> None:
    assert nginx.probe(nginx.https(requests=THREE), "tls").passed
    assert nginx.probe(nginx.https(version="2", requests=THREE), "tls2").passed


@pytest.mark.parametrize(("version", "port"), [("1.0", "plain"), ("1.0", "once"), ("1.1", "once"), ("2", "once2")])
def test_where_connections_do_not_last_each_request_has_its_own(nginx: Nginx, version: str, port: str) -> None:
    path = "/connection" if port == "plain" else "/"
    requests = tuple(Each(path=path, expect_regex=re.compile(r"\b1$")) for _ in range(3))
    result = nginx.probe(Http(version=version, requests=requests), port)
    assert (result.passed, result.reason[-24:]) == (True, ", the last of 3 requests")


def test_the_request_that_failed_is_named(nginx: Nginx) -> None:
    result = nginx.probe(Http(requests=(Each(path="/asked"), Each(path="/down"), Each(path="/asked"))))
    assert result.reason == "request 2 (/down): status 503, expected 200-299"


def test_the_days_of_a_certificate_are_counted(nginx: Nginx) -> None:
    tls = Tls(ca_file=nginx.ca_file, server_name="web.example")
    result = nginx.probe(TlsHandshake(tls=tls), "tls")
    assert result.passed
    assert re.fullmatch(
        r"certificate for web\.example ends in (90|89) days \([0-9]{4}-[0-9]{2}-[0-9]{2}\)", result.reason
    )
    assert result.warning == ""
    soon = nginx.probe(TlsHandshake(tls=Tls(verify=False), warn_days=3650), "tls2")
    assert (soon.passed, soon.warning) == (True, soon.reason)
    https = nginx.probe(nginx.https(warn_days=3650), "tls")
    assert (https.passed, https.reason, https.warning) == (True, "200 OK", result.reason)


def test_a_certificate_that_is_not_trusted_fails_before_its_days_are_counted(nginx: Nginx) -> None:
    assert nginx.probe(TlsHandshake(), "tls").reason == "certificate is from an unknown authority"


def test_a_tcp_check_may_ask_in_http_by_hand(nginx: Nginx) -> None:
    check = Tcp(
        send="GET /asked HTTP/1.0\r\n\r\n", expect_regex=re.compile(r"^HTTP/1\.1 200 .*GET HTTP/1\.0", re.DOTALL)
    )
    assert nginx.probe(check).passed
    over_tls = Tcp(
        send="HEAD / HTTP/1.0\r\n\r\n", expect_hex="48545450", tls=Tls(ca_file=nginx.ca_file, server_name="web.example")
    )
    assert nginx.probe(over_tls, "tls").passed
    proxied = Tcp(send="GET /where HTTP/1.0\r\n\r\n", expect="127.0.0.1 to port", proxy_protocol="v1")
    assert nginx.probe(proxied, "proxied").passed
