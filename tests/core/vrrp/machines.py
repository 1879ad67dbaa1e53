"""Machines in each state, and what they are shown."""

from collections.abc import Sequence
from typing import Any, TypeVar

from healthlb.core.vrrp.machine import Machine
from healthlb.core.vrrp.outputs import Output
from healthlb.core.vrrp.packet import Advert
from healthlb.core.vrrp.settings import Settings
from tests.core.vrrp.wire import packed

OURS = "192.0.2.2"
LOWER_ADDRESS = packed("192.0.2.1")
HIGHER_ADDRESS = packed("192.0.2.3")
LIST = (packed("192.0.2.100"),)
Kind = TypeVar("Kind")


def initial(**options: Any) -> Machine:
    return Machine(Settings(router_id=51, family=4, addresses=LIST, source=packed(OURS), **options))


def backup(now: float = 0.0, **options: Any) -> Machine:
    machine = initial(**options)
    machine.start(now)
    assert machine.state == "BACKUP"
    return machine


def master(now: float = 0.0, **options: Any) -> Machine:
    """Return a machine that becomes MASTER at `now`."""
    machine = initial(**options)
    machine.start(now - 1000.0)
    machine.timer(now)
    assert machine.state == "MASTER"
    return machine


def advert(priority: int, interval: float = 1.0) -> Advert:
    return Advert(3, 51, priority, interval, LIST)


def only(kind: type[Kind], outputs: Sequence[Output]) -> list[Kind]:
    return [output for output in outputs if isinstance(output, kind)]
