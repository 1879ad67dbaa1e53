"""Operators' overrides on their way to the servers that they are about, those of later configurations too."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.overrides import applied
from healthlb.daemon.overriding import Overriding
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import NOT_OVERRIDDEN, Applied, Override, Scope
from tests.daemon.rig import OTHER, PASS, WEB1, WEB2, WEB3, Rig, run, shop, web

EVERYWHERE = Scope(None, WEB1.address, None)
DRAINED = Applied("drain")

endpoints = st.builds(Endpoint, st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), st.sampled_from([80, 443]))
scopes = st.builds(
    Scope,
    st.sampled_from([None, "shop", "other"]),
    st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
    st.sampled_from([None, 80, 443]),
)
overrides = st.builds(
    Override,
    scopes,
    st.sampled_from([None, "drain", "disable"]),
    st.sampled_from([None, 0, 7]),
    st.booleans(),
    st.sampled_from([None, 1.0, 2.0]),
)


def drain(scope: Scope = EVERYWHERE, **more: Any) -> Override:
    return Override(scope, "drain", **more)


def of(rig: Rig, pool: str = "shop") -> list[Applied]:
    return [member.standing.applied for member in rig.controller.pools.by_name[pool].members]


@given(st.lists(overrides, max_size=12), st.sampled_from(["shop", "other", "new"]), endpoints)
def test_each_server_gets_what_all_overrides_together_come_to_for_it(
    all_of_them: list[Override], name: str, address: Endpoint
) -> None:
    found = Overriding(all_of_them)
    assert found.of(name, address) == applied(all_of_them, name, address)
    assert set(found.covering(name, address)) == {each for each in all_of_them if each.scope.covers(name, address)}


def test_an_override_of_a_machine_is_for_every_pool_that_it_is_in() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), shop(web(WEB1), web(WEB3), key=OTHER, name="other"))
        await rig.controller.override((drain(),))
        assert (of(rig), of(rig, "other")) == ([DRAINED, NOT_OVERRIDDEN], [DRAINED, NOT_OVERRIDDEN])
        assert rig.controller.pools.dirty == {"shop", "other"}

    run(story)


def test_an_override_that_is_taken_back_leaves_the_server_as_it_was() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        before = [member.standing for member in rig.controller.pools.by_name["shop"].members]
        await rig.controller.override((drain(),))
        await rig.controller.override(())
        assert [member.standing for member in rig.controller.pools.by_name["shop"].members] == before

    run(story)


def test_an_override_is_there_before_the_first_configuration_and_for_the_servers_of_every_later_one() -> None:
    async def story(rig: Rig) -> None:
        await rig.controller.override((drain(), Override(Scope("shop", WEB3.address, 80), weight=5)))
        await rig.adopt(shop())
        assert of(rig) == [DRAINED, NOT_OVERRIDDEN]
        await rig.adopt(shop(web(WEB2), web(WEB3), web(WEB1)))
        assert of(rig) == [NOT_OVERRIDDEN, Applied(weight=5), DRAINED]

    run(story)


def test_an_override_stays_with_a_server_whose_verdict_turns() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.controller.override((drain(),))
        await rig.result(WEB1, PASS)
        assert of(rig) == [DRAINED, NOT_OVERRIDDEN]

    run(story)


def test_overrides_that_change_nothing_ask_for_no_work() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.controller.override((drain(),))
        await rig.controller.make_pass()
        await rig.controller.override((drain(who="somebody else"), drain(Scope(None, "192.0.2.99", None))))
        assert rig.controller.pools.dirty == set()

    run(story)


def test_a_server_that_an_operator_keeps_out_is_not_waited_for() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(web(WEB1), web(WEB2)))
        await rig.result(WEB2, PASS)
        assert not rig.controller.pools.settled()
        await rig.controller.override((Override(EVERYWHERE, "disable"),))
        assert rig.controller.pools.settled()
        await rig.controller.override(())
        assert not rig.controller.pools.settled()

    run(story)
