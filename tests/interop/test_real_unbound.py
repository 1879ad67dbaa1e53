"""The dns check against unbound."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from checks import Tls
from checks.dns import Dns, Edns
from ports import free_port
from probing import probe
from real_server import RealServer
from tests.interop.files import certificate, open_folder

MANY = 120
CONFIGURATION = """
server:
    directory: "{folder}"
    chroot: ""
    username: ""
    pidfile: "{folder}/pid"
    interface: 127.0.0.1@{port}
    interface: 127.0.0.1@{tls_port}
    tls-port: {tls_port}
    tls-service-key: "{folder}/key.pem"
    tls-service-pem: "{folder}/certificate.pem"
    outgoing-interface: 127.0.0.1
    do-ip6: no
    use-syslog: no
    module-config: "iterator"
    do-not-query-localhost: yes
    local-zone: "." static
    local-zone: "refused.example." refuse
    local-zone: "broken.example." transparent
    local-zone: "shop.example." static
    local-data: "shop.example. 60 IN SOA ns.shop.example. admin.shop.example. 1 2 3 4 5"
    local-data: "shop.example. 60 IN MX 10 mail.shop.example."
    local-data: "www.shop.example. 60 IN A 192.0.2.10"
    local-data: "www.shop.example. 60 IN A 192.0.2.11"
    local-data: "www.shop.example. 60 IN AAAA 2001:db8::1"
    local-data: 'www.shop.example. 60 IN TXT "v=well; all is"'
    {many}
stub-zone:
    name: "broken.example."
    stub-addr: 127.0.0.1@1
"""
WWW = Dns(query_name="www.shop.example", query_type="A")


@dataclass(frozen=True)
class Unbound:
    """Where a running unbound answers, and how its certificate is trusted."""

    port: int
    tls_port: int
    trusted: Tls


@pytest.fixture(scope="module")
def unbound() -> Iterator[Unbound]:
    """Yield an unbound that has a zone of its own and asks nobody."""
    with open_folder() as folder:
        trusted = certificate(folder)
        port, tls_port = free_port(), free_port()
        many = "\n    ".join(f'local-data: "many.shop.example. 60 IN A 192.0.2.{last}"' for last in range(1, MANY + 1))
        file = folder / "unbound.conf"
        file.write_text(CONFIGURATION.format(folder=folder, port=port, tls_port=tls_port, many=many))
        with RealServer(["unbound", "-d", "-c", file], folder / "log") as server:
            server.wait_for(port).wait_for(tls_port)
            yield Unbound(port, tls_port, trusted)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (WWW, "NOERROR, 2 answers"),
        (replace(WWW, query_name="WWW.Shop.Example."), "NOERROR, 2 answers"),
        (replace(WWW, answers=("192.0.2.11", "192.0.2.10"), exact=True), "NOERROR, 2 answers"),
        (replace(WWW, query_type="AAAA", answers=("2001:DB8:0::1",)), "NOERROR, 1 answer"),
        (replace(WWW, query_type="TXT", answers=("v=well; all is",)), "NOERROR, 1 answer"),
        (replace(WWW, edns=Edns(0)), "NOERROR, 2 answers"),
        (replace(WWW, edns=Edns(1232, dnssec=True)), "NOERROR, 2 answers"),
        (Dns(query_name="shop.example", authoritative=True), "NOERROR, 1 answer"),
        (Dns(query_name="shop.example", query_type="MX", answers=("10 MAIL.shop.example",)), "NOERROR, 1 answer"),
        (Dns(query_name="no.shop.example", rcode=("NXDOMAIN",)), "NXDOMAIN, no answers"),
        (Dns(query_name="x.refused.example", rcode=("REFUSED", "NOERROR")), "REFUSED, no answers"),
    ],
)
def test_what_unbound_has_passes(unbound: Unbound, check: Dns, reason: str, transport: str) -> None:
    result = probe(replace(check, transport=transport), unbound.port)
    assert (result.passed, result.reason) == (True, reason)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (Dns(), "NXDOMAIN, expected NOERROR"),
        (Dns(query_name="www.shop.example"), "NOERROR with no answers, expected at least 1"),
        (Dns(query_name="x.refused.example"), "REFUSED, expected NOERROR"),
        (Dns(query_name="x.broken.example"), "SERVFAIL, expected NOERROR"),
        (
            replace(WWW, query_type="AAAA", answers=("2001:db8::2",)),
            "NOERROR, but 2001:db8::2 is not among the answers: 2001:db8::1",
        ),
        (replace(WWW, answers=("192.0.2.10",), exact=True), "NOERROR, but there are other answers: 192.0.2.11"),
    ],
)
def test_what_unbound_has_not_fails(unbound: Unbound, check: Dns, reason: str, transport: str) -> None:
    result = probe(replace(check, transport=transport), unbound.port)
    assert (result.passed, result.sent, result.reason) == (False, True, reason)


def test_a_long_answer_is_truncated_over_udp_unless_there_is_room_and_whole_over_tcp(unbound: Unbound) -> None:
    check = replace(WWW, query_name="many.shop.example", minimum_answers=MANY)
    truncated = probe(check, unbound.port)
    assert truncated.reason == "the answer is longer than UDP takes and was truncated; use transport: tcp"
    assert not truncated.passed
    assert probe(replace(check, edns=Edns(4096)), unbound.port).reason == f"NOERROR, {MANY} answers"
    assert probe(replace(check, transport="tcp"), unbound.port).reason == f"NOERROR, {MANY} answers"


def test_unbound_answers_over_tls_to_who_trusts_it(unbound: Unbound) -> None:
    check = replace(WWW, transport="tcp", tls=unbound.trusted)
    result = probe(check, unbound.tls_port)
    assert (result.passed, result.reason) == (True, "NOERROR, 2 answers")
    assert not probe(replace(check, tls=Tls(server_name="server.example.com")), unbound.tls_port).passed


def test_nobody_at_the_port_is_told_at_once(unbound: Unbound) -> None:
    result = probe(WWW, free_port())
    assert (result.passed, result.reason) == (False, "port unreachable")
