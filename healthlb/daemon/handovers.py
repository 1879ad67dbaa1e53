"""The VRRP instances that operators handed over: in force until taken back or nobody else is master, and saved.

The process that speaks VRRP ends an order by itself, where no other master is heard: what it says counts.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

from healthlb.model.overrides import HandedOver
from healthlb.model.vrrp import Vrrp, VrrpInstance
from healthlb.model.vrrp_status import InstanceStatus

Save = Callable[[tuple[HandedOver, ...]], Awaitable[str | None]]
"""Saves them durably; returns a sentence without a full stop where they are not saved yet."""


async def nowhere(handed_over: tuple[HandedOver, ...]) -> str | None:  # noqa: ARG001  a `Save` for a dry run and tests
    """Save nothing, and say nothing of it."""
    return None


class Handovers:
    """The orders, by the name of their instance. Used from the loop; `save` is called in a task of its own."""

    def __init__(self, save: Save = nowhere) -> None:
        self._save = save
        self._orders: dict[str, HandedOver] = {}
        self._kept: tuple[HandedOver, ...] = ()
        self._seen: set[str] = set()
        self._ending: set[str] = set()
        self._saving: asyncio.Task[None] | None = None
        self._unsaved = ""

    def of(self, name: str) -> HandedOver | None:
        """Return the order about an instance."""
        return self._orders.get(name)

    def names(self) -> tuple[str, ...]:
        """Return the instances that are handed over."""
        return tuple(self._orders)

    def recall(self, handed_over: Iterable[HandedOver]) -> None:
        """Take up what was saved."""
        self._kept = tuple(handed_over)
        self._orders = {each.instance: each for each in self._kept}

    def give(self, names: Iterable[str], who: str) -> None:
        """Hand instances over by the order of somebody."""
        for name in names:
            self._orders[name] = HandedOver(name, who, time.time())
            self._seen.discard(name)
            self._ending.discard(name)
        self._keep()

    def take_back(self, names: Iterable[str]) -> None:
        """End an order."""
        for name in names:
            if self._orders.pop(name, None) is not None:
                self._seen.discard(name)
                self._ending.add(name)
        self._keep()

    def heed(self, statuses: Iterable[InstanceStatus]) -> None:
        """Follow what the process says; what it said before it had heard of an order says nothing of that."""
        for each in statuses:
            if not each.yielded:
                self._ending.discard(each.name)
                if each.name in self._seen:
                    del self._orders[each.name]
                    self._seen.discard(each.name)
            elif each.name not in self._ending:
                self._orders.setdefault(each.name, HandedOver(each.name, "", time.time()))
                self._seen.add(each.name)
        self._keep()

    def began(self) -> None:
        """Another process speaks now, and has said nothing yet."""
        self._seen.clear()
        self._ending.clear()

    def follow(self, before: Vrrp | None, after: Vrrp | None) -> None:
        """Follow a configuration: an instance goes on by another name, and the order with it."""
        known: Mapping[str, VrrpInstance] = before.instances if before is not None else {}
        wanted: Mapping[str, VrrpInstance] = after.instances if after is not None else {}
        called = {name: _called(known.get(name), name, wanted) for name in self._orders}
        self._orders = {new: replace(self._orders[old], instance=new) for old, new in called.items() if new}
        self._seen = {called[old] for old in self._seen} - {""}
        self._keep()

    async def saved(self) -> str:
        """Wait until what there is was tried to be saved; return why it is not, empty if it is."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        return self._unsaved

    def _keep(self) -> None:
        if tuple(self._orders.values()) != self._kept and (self._saving is None or self._saving.done()):
            self._saving = asyncio.get_running_loop().create_task(self._save_all())

    async def _save_all(self) -> None:
        while self._kept != (orders := tuple(self._orders.values())):
            self._kept = orders
            self._unsaved = await self._save(orders) or ""


def _called(instance: VrrpInstance | None, name: str, wanted: Mapping[str, VrrpInstance]) -> str:
    """Return what an instance is called from now on: by its own name if it may, empty where there is none such."""
    if instance is None:
        return name if name in wanted else ""
    same = [other for other, each in wanted.items() if _identity(each) == _identity(instance)]
    if same:
        return name if name in same else same[0]
    return name if name in wanted else ""


def _identity(instance: VrrpInstance) -> tuple[object, ...]:
    """Return what makes it another virtual router when it changes, as the process that speaks has it."""
    return instance.interface, instance.version, instance.family, instance.router_id
