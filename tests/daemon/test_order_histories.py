"""Whatever operators order, one after the other: what was saved makes the same director again."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from healthlb.model.changes import Add, Change, Disable, Drain, Lift, Remove, SetWeight, Target
from healthlb.model.config import Config
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Orders
from tests.daemon.desk import Desk, play
from tests.daemon.rig import OTHER, VIP, shop, web

WEB = [Endpoint(f"192.0.2.{number}", 80) for number in range(1, 5)]
SHOP = shop(*(web(each, probes=(), weight=2) for each in WEB[:2]))
MAIL = shop(*(web(each, probes=(), weight=3) for each in WEB[1:3]), key=OTHER, name="mail")

addresses = st.sampled_from([str(each) for each in WEB] + ["192.0.2.1", "192.0.2.2", "web9"])
targets = st.builds(Target, addresses, st.sampled_from([None, "shop", "mail", "news"]))
changes = st.one_of(
    st.builds(Drain, targets),
    st.builds(Disable, targets),
    st.builds(SetWeight, targets, st.integers(0, 5)),
    st.builds(Lift, targets, st.sampled_from(["admin", "weight", "all"])),
    st.builds(Remove, targets),
    st.builds(
        lambda pool, address: Add(pool, json.dumps({"address": str(address)})),
        st.sampled_from(["shop", "mail", "news"]),
        st.sampled_from(WEB),
    ),
)


def seen(desk: Desk) -> tuple[Config | None, object, object]:
    return desk.controller.config, desk.table.weights(VIP), desk.table.weights(OTHER)


@settings(max_examples=60, deadline=None)
@given(st.lists(changes, max_size=12))
def test_a_restart_from_what_was_saved_and_a_reload_of_the_same_file_change_nothing(found: list[Change]) -> None:
    saved = [Orders()]

    async def work(desk: Desk) -> None:
        await desk.begin(SHOP, MAIL)
        for change in found:
            before = seen(desk), desk.book.orders
            outcome = await desk.asked(change)
            assert outcome.result == "done" or (seen(desk), desk.book.orders) == before
        before = seen(desk), desk.book.orders
        await desk.file(SHOP, MAIL)
        assert (seen(desk), desk.book.orders) == before
        saved.extend(desk.saved)
        assert saved[-1] == desk.book.orders

    async def again(desk: Desk) -> None:
        await desk.begin(SHOP, MAIL, orders=saved[-1])
        assert desk.book.orders == saved[-1]

    assert seen(play(work)) == seen(play(again))


@settings(max_examples=60, deadline=None)
@given(st.lists(changes, max_size=12))
def test_what_is_ordered_can_be_taken_back_until_nothing_is_left_of_it(found: list[Change]) -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(SHOP, MAIL)
        untouched = seen(desk)
        for change in found:
            await desk.asked(change)
        for each in desk.book.orders.overrides:
            address, pool = each.scope.address, each.scope.virtual_server
            place = address if each.scope.port is None else str(Endpoint(address, each.scope.port))
            await desk.done(Lift(Target(place, pool)))
        for addition in desk.book.orders.additions:
            await desk.done(Remove(Target(str(addition.address), addition.virtual_server)))
        for removal in desk.book.orders.removals:
            await desk.done(Add(removal.virtual_server, json.dumps({"address": str(removal.address)})))
        assert desk.book.orders == Orders()
        assert seen(desk) == untouched

    play(story)
