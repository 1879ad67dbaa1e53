"""The check of SIP against kamailio, over UDP, TCP and TLS."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest

from checks import Tls
from checks.sip import Sip
from ports import free_port
from probing import probe
from real_server import RealServer
from tests.interop.files import NAME, certificate, open_folder, written

CONFIGURATION = """
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
auto_aliases=no
dns=no
rev_dns=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
enable_tls=yes
listen=tls:127.0.0.1:{tls_port}
loadmodule "sl.so"
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{folder}/certificate.pem")
modparam("tls", "private_key", "{folder}/key.pem")
request_route {{
    if (method == "OPTIONS" && uri =~ "^sip:busy@") {{
        sl_send_reply("503", "Busy Here");
    }} else if (method == "OPTIONS") {{
        sl_send_reply("200", "Keepalive");
    }} else {{
        sl_send_reply("405", "Method Not Allowed");
    }}
    exit;
}}
"""


@dataclass(frozen=True)
class Kamailio:
    """Its ports, and how a client trusts it."""

    port: int
    tls_port: int
    trusted: Tls


@pytest.fixture(scope="module")
def server() -> Iterator[Kamailio]:
    """Yield a kamailio that answers OPTIONS, but not for everybody well."""
    with open_folder() as folder:
        running = Kamailio(free_port(), free_port(), certificate(folder))
        text = CONFIGURATION.format(port=running.port, tls_port=running.tls_port, folder=folder)
        configuration = written(folder / "kamailio.cfg", text)
        argv = ["kamailio", "-DD", "-E", "-f", configuration, "-Y", folder, "-P", folder / "pid"]
        with RealServer(argv, folder / "log") as program:
            program.wait_for(running.port)
            yield running


Transport = Literal["udp", "tcp"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_kamailio_answers_options(server: Kamailio, transport: Transport) -> None:
    result = probe(Sip(transport=transport), server.port)
    assert (result.passed, result.reason) == (True, "200 Keepalive")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_kamailio_says_no_for_one_user_unless_that_is_what_is_wanted(server: Kamailio, transport: Transport) -> None:
    refused = probe(Sip(transport=transport, user="busy"), server.port)
    assert (refused.passed, refused.reason) == (False, "status 503 Busy Here, expected 200-299")
    wanted = Sip(transport=transport, user="busy", status=((503, 503),))
    assert probe(wanted, server.port).reason == "503 Busy Here"


def test_kamailio_answers_over_tls_and_must_be_trusted(server: Kamailio) -> None:
    result = probe(Sip(transport="tcp", tls=server.trusted), server.tls_port)
    assert (result.passed, result.reason) == (True, "200 Keepalive")
    stranger = probe(Sip(transport="tcp", tls=Tls(server_name=NAME)), server.tls_port)
    assert (stranger.passed, stranger.reason) == (False, "certificate is from an unknown authority")
