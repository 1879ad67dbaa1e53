"""Packets to virtual addresses that accept none are refused, level by level."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from healthlb.daemon import accepting
from healthlb.daemon.accepting import Accepting
from healthlb.linux.acceptance import AcceptanceError, refused
from healthlb.model.events import Warned
from healthlb.model.vrrp import VirtualAddress, Vrrp, VrrpInstance
from waiting import until

CLOSED = VrrpInstance("VI_1", "eth0", 51, 4, (VirtualAddress("192.0.2.1", 24),), accept=False)


class Kernel:
    """What is refused, and what stands in its way."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, ...]] = []
        self.problem = ""

    def follow(self, instances: Iterable[VrrpInstance]) -> None:
        if self.problem:
            raise AcceptanceError(self.problem)
        self.refused.append(refused(instances))


async def run(kernel: Kernel, told: list[Any], act: Any) -> None:
    part = Accepting(told.append, carry_out=kernel.follow)
    task = asyncio.create_task(part.run())
    await act(part)
    task.cancel()
    await asyncio.wait([task])
    await part.close()


def test_a_configuration_is_followed_and_a_stop_lets_all_in_again() -> None:
    kernel = Kernel()

    async def act(part: Accepting) -> None:
        part.adopt(Vrrp({"VI_1": CLOSED}))
        await until(lambda: kernel.refused[-1:] == [("192.0.2.1",)])
        part.adopt(None)
        await until(lambda: kernel.refused[-1:] == [()])
        part.adopt(Vrrp({"VI_1": CLOSED}))
        await until(lambda: kernel.refused[-1:] == [("192.0.2.1",)])

    asyncio.run(run(kernel, [], act))
    assert kernel.refused[-1] == ()


def test_what_stands_in_the_way_is_told_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "AGAIN", 0.01)
    kernel = Kernel()
    kernel.problem = "packets to 192.0.2.1 are not dropped: the kernel has no nf_tables for IP"
    told: list[Any] = []

    async def act(part: Accepting) -> None:
        part.adopt(Vrrp({"VI_1": CLOSED}))
        await until(lambda: part.problem)
        kernel.problem = ""
        await until(lambda: kernel.refused[-1:] == [("192.0.2.1",)])
        assert not part.problem

    asyncio.run(run(kernel, told, act))
    assert told == [Warned("VRRP: packets to 192.0.2.1 are not dropped: the kernel has no nf_tables for IP")]
