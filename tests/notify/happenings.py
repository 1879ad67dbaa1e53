"""Occurrences, notifiers and a loop for the tests of notifications."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from healthlb.model.endpoint import Endpoint
from healthlb.model.notifiers import Command, Fifo, Mail, Notifier, Webhook
from healthlb.model.occurrence import Level, Occurrence
from healthlb.model.table import ServiceKey
from healthlb.notify.message import Message
from healthlb.notify.sending import InThread

MOMENT = 1_792_000_000.25
VIP = ServiceKey.at("tcp", Endpoint("198.51.100.1", 80))
WEB1 = Endpoint("192.0.2.1", 8080)
ALL = frozenset({"real_server_down", "real_server_up", "virtual_server_changed", "quorum_lost", "quorum_regained"})
_numbers = itertools.count(1)
Value = TypeVar("Value")


def happened(
    name: str = "real_server_down",
    pool: str | None = "shop",
    server: str | None = "web1",
    *,
    sentence: str | None = None,
    level: Level = "warning",
    service: ServiceKey | None = VIP,
    address: Endpoint | None = WEB1,
    **details: Any,
) -> Occurrence:
    """Return an occurrence; the numbers grow."""
    if pool is None:
        service = None
    number = next(_numbers)
    return Occurrence(
        number, MOMENT + number / 1000, name, level, sentence or f"{pool}: {server} {name}", pool, server, service,
        address if server is not None else None, details,
    )  # fmt: skip


def message(*events: Occurrence, dry_run: bool = False) -> Message:
    """Return a message of lb1's."""
    return Message("lb1", events or (happened(),), dry_run)


def notifier(
    settings: Webhook | Command | Fifo | Mail | None = None, events: frozenset[str] = ALL, **more: Any
) -> Notifier:
    """Return a notifier, with every event a message of its own unless it says otherwise."""
    given: dict[str, Any] = {"group": 0.0, "timeout": 60.0, **more}
    return Notifier("oncall", settings or Webhook(url="http://127.0.0.1:9/"), events, **given)


def play(story: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
    """Run a story in a loop of its own."""
    return asyncio.run(story())


def in_thread() -> InThread:
    """Return what does blocking work in a thread."""
    return asyncio.to_thread
