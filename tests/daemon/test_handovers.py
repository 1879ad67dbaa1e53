"""The orders to hand instances over, as the file, the process that speaks and the disk have their say."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from healthlb.daemon.handovers import Handovers
from healthlb.model.overrides import HandedOver
from healthlb.model.vrrp import Vrrp
from healthlb.model.vrrp_status import InstanceStatus
from tests.daemon.pair_stage import VI_1, VI_2, pair
from waiting import until

Saved = list[list[str]]
STATUS = InstanceStatus("VI_1", "BACKUP", "eth0", 51, 3, 150, 150, (), 0.0)


def play(story: Callable[[Handovers], Coroutine[Any, Any, None]]) -> Saved:
    """Return what was saved, in order."""
    saved: Saved = []

    async def save(handed_over: tuple[HandedOver, ...]) -> None:
        saved.append([each.instance for each in handed_over])

    async def whole() -> None:
        handovers = Handovers(save)
        await story(handovers)
        await handovers.saved()

    asyncio.run(whole())
    return saved


def told(handovers: Handovers, *yielded: str, others: tuple[str, ...] = ()) -> None:
    """Have the process say which of its instances are handed over."""
    handovers.heed(replace(STATUS, name=name, yielded=name in yielded) for name in (*yielded, *others))


def test_an_order_is_saved_and_ends_when_the_process_says_so() -> None:
    async def story(handovers: Handovers) -> None:
        handovers.give(("VI_1",), "ann")
        told(handovers, others=("VI_1",))  # sent before it had heard of the order
        assert handovers.names() == ("VI_1",)
        told(handovers, "VI_1")
        await handovers.saved()
        told(handovers, others=("VI_1",))
        assert handovers.names() == ()

    assert play(story) == [["VI_1"], []]


def test_what_is_taken_back_does_not_come_again_by_a_word_that_was_under_way() -> None:
    async def story(handovers: Handovers) -> None:
        handovers.give(("VI_1", "VI_2"), "ann")
        told(handovers, "VI_1", "VI_2")
        handovers.take_back(("VI_1", "VI_2"))
        told(handovers, "VI_1", "VI_2")
        assert handovers.names() == ()
        told(handovers, others=("VI_1", "VI_2"))
        handovers.give(("VI_1",), "ann")
        assert handovers.names() == ("VI_1",)

    assert play(story)[-1] == ["VI_1"]


def test_what_the_process_knows_to_be_handed_over_is_so() -> None:
    async def story(handovers: Handovers) -> None:
        told(handovers, "VI_2")
        assert handovers.names() == ("VI_2",)

    assert play(story) == [["VI_2"]]


def test_another_process_has_to_hear_of_an_order_before_what_it_says_counts() -> None:
    async def story(handovers: Handovers) -> None:
        handovers.give(("VI_1",), "ann")
        told(handovers, "VI_1")
        handovers.began()
        told(handovers, others=("VI_1",))
        assert handovers.names() == ("VI_1",)

    play(story)


def test_a_reload_keeps_an_order_by_the_virtual_router_and_else_by_the_name() -> None:
    other = replace(VI_1, router_id=99)

    def after(before: Vrrp | None, wanted: Vrrp | None) -> tuple[str, ...]:
        found: list[tuple[str, ...]] = []

        async def story(handovers: Handovers) -> None:
            handovers.recall([HandedOver("VI_1", "ann", 7.0)])
            handovers.follow(None, before)
            told(handovers, "VI_1")
            handovers.follow(before, wanted)
            found.append(handovers.names())

        play(story)
        return found[0]

    assert after(pair(VI_1), pair(VI_1)) == ("VI_1",)
    assert after(pair(VI_1), pair(VI_2, replace(VI_1, name="VI_3"))) == ("VI_3",)
    assert after(pair(VI_1), pair(replace(VI_2, name="VI_1"), replace(VI_1, name="VI_3"))) == ("VI_3",)
    assert after(pair(VI_1), pair(other)) == ("VI_1",)
    assert after(pair(VI_1), pair(VI_2)) == ()
    assert after(pair(VI_1), None) == ()


def test_what_is_not_in_the_file_any_more_after_a_restart_is_forgotten() -> None:
    async def story(handovers: Handovers) -> None:
        handovers.recall([HandedOver("VI_1"), HandedOver("VI_9")])
        handovers.follow(None, pair(VI_1))
        await until(lambda: handovers.names() == ("VI_1",))

    assert play(story) == [["VI_1"]]
