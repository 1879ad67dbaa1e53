"""What is looked at before an instance is handed over, and what of the other director's answers is taken."""

import asyncio
import json
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healthlb.api.application import read_only_application
from healthlb.api.server import serve
from healthlb.core.readiness import Side
from healthlb.daemon import peer
from healthlb.daemon.failing_over import UNCOMPARED, CarefulFailovers
from healthlb.daemon.pair import Pair
from healthlb.daemon.peer import PeerError, side_at
from healthlb.daemon.worker import Worker
from healthlb.model.changes import Actor, FailoverOutcome
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint
from healthlb.model.snapshot import Snapshot
from healthlb.model.vrrp import Vrrp
from healthlb.model.vrrp_status import PairStatus
from made_up_pair import MASTER, PAIR
from tests.api.conftest import Source, degraded
from tests.daemon.rig import Rig

ANN = Actor("ann")
HERE = replace(degraded(), pair=PairStatus((MASTER,)))
BACKUP = replace(MASTER, state="BACKUP", yielded=True)


@dataclass
class Orders:
    """Carries out whatever is ordered."""

    done: list[tuple[str, bool, bool]] = field(default_factory=list)

    async def failover(
        self, actor: Actor, instance: str, *, back: bool = False, force: bool = False
    ) -> FailoverOutcome:
        assert actor == ANN
        self.done.append((instance, back, force))
        return FailoverOutcome("done", "it is so", notes=("of its own",))


def there(snapshot: Snapshot, **instance: Any) -> Snapshot:
    """Return the other director, which has the instance as BACKUP."""
    director = replace(snapshot.director, name="lb2")
    one = replace(MASTER, state="BACKUP", **instance)
    return replace(snapshot, director=director, pair=PairStatus((one,)))


def ordered(here: Snapshot, other: Snapshot | Exception | None, instance: str = "VI_1", **how: bool) -> Any:
    """Order a failover of a director beside another one that answers over HTTP; return what came of it, and orders."""

    async def run() -> Any:
        orders = Orders()
        source = Source(other if isinstance(other, Snapshot) else here)
        running = await serve(read_only_application(source), Listener(Endpoint("127.0.0.1", 0)))
        url = "" if other is None else f"http://{running.listener}"

        async def ask(url: str, worker: Worker) -> Side:
            if isinstance(other, Exception):
                raise other
            return await side_at(url, worker)

        careful = CarefulFailovers(orders, Source(here), lambda: url, ask)
        try:
            return await careful.failover(ANN, instance, **how), orders.done
        finally:
            careful.close()
            await running.close()

    return asyncio.run(run())


def test_an_instance_is_handed_over_to_a_director_that_serves_as_well() -> None:
    outcome, done = ordered(HERE, there(HERE))
    assert outcome == FailoverOutcome("done", "it is so", (), ("of its own",))
    assert done == [("VI_1", False, False)]


def test_a_director_that_serves_worse_is_not_handed_anything_unless_by_force() -> None:
    (pool,) = HERE.virtual_servers
    other = there(replace(HERE, virtual_servers=(replace(pool, state="down"),)))
    outcome, done = ordered(HERE, other)
    assert outcome.result == "refused"
    assert outcome.message == (
        "Clients would fare worse: shop is down on lb2 and degraded on lb1; force goes on all the same."
    )
    assert outcome.differences == ("shop is down on lb2 and degraded on lb1",)
    assert done == []
    outcome, done = ordered(HERE, other, force=True)
    assert (outcome.result, outcome.differences) == ("done", ("shop is down on lb2 and degraded on lb1",))
    assert done == [("VI_1", False, True)]


def test_a_refusal_says_how_many_more_differences_there_are() -> None:
    outcome, _ = ordered(HERE, there(replace(HERE, virtual_servers=(), ready=False)))
    assert ", and 1 more difference;" in outcome.message
    assert len(outcome.differences) == 2


def test_a_director_that_cannot_be_asked_is_not_handed_anything_unless_by_force() -> None:
    outcome, done = ordered(HERE, PeerError("it is silent"))
    assert outcome.differences == ("the other director cannot be compared: it is silent",)
    assert outcome.message == (
        "Nobody knows whether clients would fare worse: the other director cannot be compared: it is silent; "
        "force goes on all the same."
    )
    assert done == []
    assert ordered(HERE, PeerError("it is silent"), force=True)[1] == [("VI_1", False, True)]


def test_a_director_whose_peer_is_itself_is_compared_with_nobody() -> None:
    outcome, done = ordered(HERE, HERE)
    (told,) = outcome.differences
    assert "what answers at vrrp.peer is called lb1 as well" in told
    assert (outcome.result, done) == ("refused", [])


def test_without_a_peer_in_the_file_the_order_is_carried_out_and_the_gap_is_told() -> None:
    outcome, done = ordered(HERE, None)
    assert outcome.notes == ("of its own", UNCOMPARED)
    assert done == [("VI_1", False, False)]


def test_before_taking_it_back_this_director_is_compared_as_the_one_that_is_to_be_master() -> None:
    handed_over = replace(HERE, pair=PairStatus((BACKUP,)))
    (pool,) = HERE.virtual_servers
    other = there(replace(HERE, virtual_servers=(replace(pool, state="up"),)))
    outcome, done = ordered(handed_over, other, back=True)
    assert outcome.differences == ("shop is degraded on lb1 and up on lb2",)
    assert done == []
    outcome, done = ordered(handed_over, PeerError("it is silent"), back=True)
    assert outcome.notes == ("of its own", "the other director cannot be compared: it is silent")
    assert done == [("VI_1", True, False)]


@pytest.mark.parametrize(
    ("here", "instance", "back"),
    [
        (HERE, "VI_9", False),
        (replace(HERE, pair=None), "VI_1", False),
        (replace(HERE, pair=PairStatus((BACKUP,))), "VI_1", False),
        (HERE, "VI_1", True),
    ],
    ids=["no such instance", "no VRRP", "not master", "not handed over"],
)
def test_what_would_change_no_master_asks_no_other_director(here: Snapshot, instance: str, back: bool) -> None:
    outcome, done = ordered(here, AssertionError(), instance, back=back)
    assert outcome.notes == ("of its own",)
    assert done == [(instance, back, False)]


def answered(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    deadline: float = 60.0,
    tls: ssl.SSLContext | None = None,
    **trust: str,
) -> Side:
    """Ask a server that answers as it likes."""

    async def run() -> Side:
        application = web.Application()
        application.router.add_get("/api/v1/status", answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        worker = Worker("peer")
        try:
            host, port = runner.addresses[0][:2]
            scheme = "https" if tls is not None else "http"
            return await side_at(f"{scheme}://{host}:{port}/", worker, deadline, **trust)
        finally:
            worker.close()
            await runner.cleanup()

    return asyncio.run(run())


def sending(body: bytes, status: int = 200, **more: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, **more)

    return answer


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (sending(b"{}", 503), "it answered 503"),
        (sending(b"", 302, headers={"Location": "http://127.0.0.1:1/"}), "it answered 302"),
        (sending(b"<html>"), "it sent no JSON"),
        (sending(b"[" * 100_000), "it sent no JSON"),
        (sending(b"[]"), "it tells no status that this version understands"),
        (sending(json.dumps({"ready": True}).encode()), "it tells no status that this version understands"),
    ],
)
def test_what_is_no_status_is_a_reason_and_no_exception_of_another_kind(answer: Any, why: str) -> None:
    with pytest.raises(PeerError, match=why):
        answered(answer)


@given(st.binary(max_size=200))
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_bytes_end_in_a_reason(body: bytes) -> None:
    with pytest.raises(PeerError):
        answered(sending(body))


def test_an_answer_without_end_is_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "LARGEST", 100_000)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    with pytest.raises(PeerError, match="is larger than 100000 bytes"):
        answered(answer)


def test_a_director_that_does_not_answer_meets_the_deadline() -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(PeerError, match="did not answer"):
        answered(answer, 0.2)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1", "it cannot be asked at http://127.0.0.1:1: connection refused$"),
        ("http://[", "it cannot be asked at"),
        ("nonsense", "it cannot be asked at"),
    ],
)
def test_a_director_that_cannot_be_reached_is_a_reason(url: str, why: str) -> None:
    async def run() -> None:
        worker = Worker("peer")
        try:
            await side_at(url, worker)
        finally:
            worker.close()

    with pytest.raises(PeerError, match=why):
        asyncio.run(run())


def test_https_where_no_tls_is_spoken_is_told_in_words() -> None:
    async def run() -> None:
        async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        worker = Worker("peer")
        try:
            await side_at(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", worker)
        finally:
            worker.close()
            server.close()
            await server.wait_closed()

    with pytest.raises(PeerError, match="TLS cannot be agreed upon there; is it http"):
        asyncio.run(run())


@pytest.mark.parametrize("url", ["http://ann:hush@127.0.0.1:1/", "http://ann:hush@[", "http://ann:x/hush@127.0.0.1"])
def test_a_password_in_the_url_is_told_to_nobody(url: str) -> None:
    async def run() -> None:
        worker = Worker("peer")
        try:
            await side_at(url, worker)
        finally:
            worker.close()

    with pytest.raises(PeerError) as told:
        asyncio.run(run())
    assert "hush" not in str(told.value)


def test_another_director_is_trusted_by_the_authorities_of_a_file_and_gets_the_token(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusted, stranger, broken, token = (tmp_path / name for name in ("ca.pem", "other.pem", "broken.pem", "token"))
    authority.cert_pem.write_to_path(trusted)
    other.cert_pem.write_to_path(stranger)
    broken.write_text("nothing")
    token.write_text("hush-hush\n")
    heard: list[str | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        heard.append(request.headers.get("Authorization"))
        return web.Response(status=418)

    def refusal(**trust: str) -> str:
        with pytest.raises(PeerError) as told:
            answered(answer, tls=server, **trust)
        return str(told.value)

    assert "it answered 418" in refusal(ca_file=str(trusted))
    assert "it answered 418" in refusal(ca_file=str(trusted), token_file=str(token))
    assert heard == [None, "Bearer hush-hush"]
    assert "is not trusted: unable to get local issuer certificate" in refusal(ca_file=str(stranger))
    assert "is not trusted" in refusal()
    assert refusal(ca_file=str(broken)) == f"ca_file {broken} holds no certificates in PEM"
    assert refusal(ca_file=str(tmp_path / "none")) == f"ca_file {tmp_path}/none: no such file or directory"
    broken_token = refusal(ca_file=str(trusted), token_file=str(tmp_path / "none"))
    assert broken_token == f"token_file {tmp_path}/none: no such file or directory"
    other_token = tmp_path / "other-token"
    other_token.write_text("two words")
    told = refusal(ca_file=str(trusted), token_file=str(other_token))
    assert told.endswith("holds no token of printable ASCII characters without spaces")
    assert len(heard) == 2


def test_a_pair_asks_the_other_director_as_its_file_says(tmp_path: Path) -> None:
    async def run() -> None:
        rig = Rig()
        pair = Pair(
            rig.controller.pools,
            rig.events.append,
            random.Random(1),
            kernel=False,
            overdue=lambda: 0.0,
            nudge=lambda: None,
            changed=lambda: None,
        )
        worker = Worker("peer")
        try:
            pair.adopt(Vrrp(peer_url="https://127.0.0.1:1", peer_ca_file=f"{tmp_path}/none"))
            assert pair.peer() == "https://127.0.0.1:1"
            with pytest.raises(PeerError, match=r"ca_file .*/none: no such file"):
                await pair.ask(pair.peer(), worker)
        finally:
            worker.close()
            await pair.close()
            rig.controller.close()

    asyncio.run(run())


def test_the_made_up_pair_is_known_from_its_own_status() -> None:
    outcome, _ = ordered(replace(HERE, pair=PAIR), there(HERE), force=True)
    assert outcome.differences == ("connection sync: lb2 takes in no connections, established ones would end",)
