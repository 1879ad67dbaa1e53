"""Handing an instance over, over a real socket: what the director is asked for, and what the caller is answered."""

import asyncio
from typing import Any

import pytest

from healthlb.api.application import admin_application
from healthlb.api.server import serve
from healthlb.model.changes import FailoverOutcome
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint
from tests.api.test_commands import BEARER, WORDS, Session

PATH = "/api/v1/vrrp/VI_1/failover"


def ask(source: Any, body: Any = None, path: str = PATH, *, spoken: bool = True, token: bool = True) -> tuple[int, Any]:
    async def run() -> tuple[int, Any]:
        application = admin_application(source, source, WORDS, failovers=source if spoken else None)
        running = await serve(application, Listener(Endpoint("127.0.0.1", 0)))
        try:
            async with (
                Session(f"http://{running.listener}", headers=BEARER if token else {}) as session,
                session.post(path, json=body) as response,
            ):
                return response.status, await response.json()
        finally:
            await running.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "order"),
    [
        (None, ("VI_1", False, False)),
        ({"back": True}, ("VI_1", True, False)),
        ({"force": True, "why": "new disks", "by": "ann"}, ("VI_1", False, True)),
    ],
)
def test_an_instance_is_handed_over_and_taken_back_as_it_was_ordered(source: Any, body: Any, order: Any) -> None:
    status, told = ask(source, body)
    assert (status, told["result"], told["message"]) == (200, "done", "VI_1 is handed over")
    assert source.handed_over == [order]
    assert source.actors[0].why == ("new disks" if body and "why" in body else "")


def test_a_refusal_tells_every_difference(source: Any) -> None:
    source.failed_over = FailoverOutcome("refused", "lb2 is not ready to be master.", ("shop is down on lb2",), ("rr",))
    status, told = ask(source)
    assert status == 409
    assert told == {
        "result": "refused",
        "message": "lb2 is not ready to be master.",
        "differences": ["shop is down on lb2"],
        "notes": ["rr"],
        "error": "lb2 is not ready to be master.",
    }


def test_an_instance_that_there_is_not_is_a_404(source: Any) -> None:
    source.failed_over = FailoverOutcome("unknown", "There is no VRRP instance 'VI_9'.")
    assert ask(source, path="/api/v1/vrrp/VI_9/failover")[0] == 404
    assert ask(source, spoken=False) == (
        404,
        {
            "result": "unknown",
            "message": "This director speaks no VRRP.",
            "differences": [],
            "notes": [],
            "error": "This director speaks no VRRP.",
        },
    )


def test_a_name_that_is_no_text_is_nobodys(source: Any) -> None:
    assert ask(source, path="/api/v1/vrrp/VI%0A1/failover")[0] == 404
    assert source.handed_over == []


def test_without_the_token_nothing_is_handed_over(source: Any) -> None:
    assert ask(source, token=False)[0] == 401
    assert source.handed_over == []


def test_a_body_that_cannot_be_taken_names_its_fault(source: Any) -> None:
    status, told = ask(source, {"back": "yes"})
    assert (status, told["message"]) == (422, 'back: expected true or false, found "yes".')
