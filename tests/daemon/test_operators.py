"""What operators ask for at run time, and what comes of it in the table, in the orders and in their answer."""

import asyncio
import json
import threading
from dataclasses import replace

import pytest

from healthlb.config.faults import ConfigError, Fault
from healthlb.daemon import operators
from healthlb.model.changes import Actor, Add, Change, Disable, Drain, Lift, Remove, SetWeight, Target
from healthlb.model.config import Config, RealServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import OverrideEnded, OverrideSet, RealServerAdded, RealServerRemoved, Warned
from healthlb.model.overrides import Addition, Orders, Override, Removal, Scope
from tests.daemon.desk import ALICE, Desk, make, play
from tests.daemon.rig import FAIL, OTHER, VIP, WEB1, WEB2, WEB3, shop, web
from waiting import until

POOL = shop(web(WEB1, name="web1", weight=3), web(WEB2, name="web2", weight=2))
MAIL = shop(web(WEB1, name="relay"), web(WEB2, name="relay2"), key=OTHER, name="mail")
IN_SHOP, MACHINE = Target("web1", "shop"), Target("192.0.2.1")
HERE, EVERYWHERE = Scope("shop", WEB1.address, WEB1.port), Scope(None, WEB1.address, None)


def add(address: str = "192.0.2.3:80", pool: str = "shop", **more: object) -> Add:
    return Add(pool, json.dumps({"address": address, **more}))


def test_a_drain_takes_new_connections_away_and_is_saved_and_told_with_who_and_why() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL, MAIL)
        outcome = await desk.done(Drain(IN_SHOP))
        assert outcome.message == "web1 (192.0.2.1:80) in shop is drained."
        assert outcome.servers == (("shop", "web1"),)
        assert outcome.warnings == ()
        assert desk.table.weights(VIP) == {WEB1: 0, WEB2: 2}
        assert desk.table.weights(OTHER) == {WEB1: 1, WEB2: 1}
        [override] = desk.saved[-1].overrides
        assert override == Override(HERE, "drain", who="alice", why="new kernel", at=1000.0)
        [told] = desk.told(OverrideSet)
        assert told == OverrideSet("192.0.2.1:80 in shop", "drain", "alice", "new kernel", None, "shop", "web1")
        assert desk.changed == 2, "readers are shown the order at once, and the row that has followed"

    play(story)


def test_a_machine_is_drained_wherever_it_appears_and_with_one_word_it_is_back() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL, MAIL)
        outcome = await desk.done(Drain(MACHINE, expires=3600.0))
        assert outcome.message == "192.0.2.1 is drained in shop, mail, until 1970-01-01T01:16:40Z."
        assert outcome.servers == (("shop", "web1"), ("mail", "relay"))
        assert desk.table.weights(VIP) == {WEB1: 0, WEB2: 2}
        assert desk.table.weights(OTHER) == {WEB1: 0, WEB2: 1}
        outcome = await desk.done(Lift(MACHINE, "admin"))
        assert outcome.message == "192.0.2.1: drain taken back."
        assert desk.table.weights(VIP) == {WEB1: 3, WEB2: 2}
        assert desk.saved[-1] == Orders()
        [told] = desk.told(OverrideEnded)
        assert told == OverrideEnded("192.0.2.1", "drain", "alice", "new kernel")

    play(story)


def test_a_machine_that_appears_nowhere_is_drained_once_it_does() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        outcome = await desk.done(Drain(Target("192.0.2.3")))
        assert outcome.message == "192.0.2.3 is drained wherever it appears."
        assert outcome.warnings == ("No real server has the address 192.0.2.3 now; one that appears later is covered.",)
        await desk.file(shop(web(WEB1), web(WEB3, probes=(), name="web3")))
        assert desk.controller.pools.by_name["shop"].members[1].standing.applied.admin == "drain"

    play(story)


def test_disabling_takes_the_row_out_and_enabling_brings_it_back() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        assert (await desk.done(Disable(IN_SHOP))).message == "web1 (192.0.2.1:80) in shop is disabled."
        assert desk.table.weights() == {WEB2: 2}
        await desk.done(Lift(IN_SHOP, "admin"))
        assert desk.table.weights() == {WEB1: 3, WEB2: 2}

    play(story)


def test_a_weight_takes_the_place_of_the_configured_one_until_it_is_taken_back() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        assert (await desk.done(SetWeight(IN_SHOP, 7))).message == "web1 (192.0.2.1:80) in shop is given weight 7."
        assert desk.table.weights() == {WEB1: 7, WEB2: 2}
        await desk.done(SetWeight(IN_SHOP, 8))
        assert desk.table.weights() == {WEB1: 8, WEB2: 2}
        outcome = await desk.done(Lift(IN_SHOP, "weight"))
        assert outcome.message == "web1 (192.0.2.1:80) in shop: weight 8 taken back."
        assert desk.table.weights() == {WEB1: 3, WEB2: 2}

    play(story)


def test_a_drain_that_removes_carries_its_deadline_as_a_moment_and_one_that_does_not_has_none() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.done(Drain(IN_SHOP, deadline=60.0))
        assert desk.book.orders.overrides[0].deadline is None
        await desk.done(Drain(IN_SHOP, remove=True, deadline=60.0))
        assert desk.book.orders.overrides[0].deadline == 1060.0
        assert desk.told(OverrideSet)[-1].what == "drain and remove"  # type: ignore[attr-defined]

    play(story)


def test_undraining_a_server_whose_machine_is_drained_says_so() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.done(Drain(IN_SHOP))
        await desk.done(Drain(MACHINE))
        outcome = await desk.done(Lift(IN_SHOP, "admin"))
        assert outcome.warnings == ("The override of 192.0.2.1 (drain, by alice: new kernel) stays in force.",)
        assert desk.table.weights() == {WEB1: 0, WEB2: 2}
        again = await desk.done(Lift(IN_SHOP, "admin"))
        assert again.message == "web1 (192.0.2.1:80) in shop: there is nothing to take back."
        assert again.warnings == outcome.warnings

    play(story)


def test_undraining_a_server_that_is_down_says_that_it_takes_no_traffic_yet() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL, MAIL)
        await desk.done(Drain(MACHINE))
        await desk.result(WEB1, FAIL)
        outcome = await desk.done(Lift(MACHINE))
        assert outcome.warnings == (
            "Not up, and so without traffic until the checks pass: web1 in shop, relay in mail.",
        )
        await desk.done(SetWeight(MACHINE, 4))
        assert (await desk.done(Lift(MACHINE))).warnings == ()

    play(story)


def test_an_override_that_another_one_beats_says_so() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.done(Disable(MACHINE))
        before = "The override of 192.0.2.1 (disable, by alice: new kernel) goes before it."
        assert (await desk.done(Drain(IN_SHOP))).warnings == (before,)
        drained = "The override of 192.0.2.1:80 in shop (drain, by alice: new kernel) goes before it."
        assert (await desk.done(SetWeight(IN_SHOP, 5))).warnings == (before, drained)
        await desk.done(Lift(MACHINE))
        await desk.done(Lift(IN_SHOP, "admin"))
        narrower = "The override of 192.0.2.1:80 in shop (weight 5, by alice: new kernel) goes before it."
        assert (await desk.done(SetWeight(MACHINE, 6))).warnings == (narrower,)
        assert (await desk.done(SetWeight(MACHINE, 5))).warnings == ()

    play(story)


def test_draining_the_last_server_is_done_with_a_warning() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL, MAIL)
        await desk.done(Drain(MACHINE))
        warning = ("No live server is left in shop, mail.",)
        assert (await desk.done(Drain(Target("192.0.2.2")))).warnings == warning
        await desk.done(Lift(Target("192.0.2.2")))
        assert (await desk.done(SetWeight(Target("192.0.2.2"), 0))).warnings == warning

    play(story)


@pytest.mark.parametrize(
    "change",
    [Drain(Target("web9", "shop")), Lift(Target("web9", "shop")), SetWeight(Target("web1", "x"), 1), add(pool="x")],
)
def test_what_is_not_there_is_unknown_and_nothing_changes(change: Change) -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        assert (await desk.asked(change)).result == "unknown"
        assert desk.saved == desk.events == []

    play(story)


@pytest.mark.parametrize(
    "change",
    [
        SetWeight(IN_SHOP, 65536),
        SetWeight(IN_SHOP, -1),
        Drain(IN_SHOP, expires=0.0),
        Drain(IN_SHOP, expires=float("nan")),
        Drain(IN_SHOP, deadline=-1.0),
        Drain(IN_SHOP, deadline=float("inf"), remove=True),
        Disable(Target("web1")),
        Remove(MACHINE),
        Remove(Target("sorry", "shop")),
        add("192.0.2.1:80"),
        add(fault="there is no check login"),
        add("192.0.2.3:80", name="web1"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(change: Change) -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(replace(POOL, sorry_servers=(web(Endpoint("192.0.2.9", 80), name="sorry", probes=()),)))
        outcome = await desk.asked(change)
        assert outcome.result == "refused"
        assert outcome.message.endswith((".", "?"))
        assert desk.saved == desk.events == []

    play(story)


def test_there_are_only_so_many_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "MOST_OVERRIDES", 1)
    monkeypatch.setattr(operators, "MOST_SERVERS", 1)

    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        for change, more in (
            (Drain(MACHINE), SetWeight(MACHINE, 1)),
            (add(), add("192.0.2.4:80")),
            (Remove(IN_SHOP), Remove(Target("web2", "shop"))),
        ):
            await desk.done(change)
            assert (await desk.asked(more)).result == "refused"
        assert (await desk.asked(Drain(MACHINE))).result == "done"

    play(story)


def test_a_sorry_server_can_be_drained_too() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(replace(POOL, sorry_servers=(web(Endpoint("192.0.2.9", 80), name="sorry", probes=()),)))
        outcome = await desk.done(Drain(Target("sorry", "shop")))
        assert outcome.servers == (("shop", "sorry"),)

    play(story)


def test_an_override_ends_when_its_time_is_over_and_that_is_saved_and_told() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.done(Drain(IN_SHOP, expires=0.01))
        await desk.done(SetWeight(Target("web2", "shop"), 9, expires=60.0))
        desk.now += 1.0
        await until(lambda: desk.told(OverrideEnded))
        await desk.controller.make_pass()
        assert desk.told(OverrideEnded) == [OverrideEnded("192.0.2.1:80 in shop", "drain", "", "", "shop", "web1")]
        assert [each.weight for each in desk.saved[-1].overrides] == [9]
        assert desk.table.weights() == {WEB1: 3, WEB2: 9}

    play(story)


def test_a_saved_order_acts_from_the_start_on_and_one_whose_time_is_over_does_not() -> None:
    async def story(desk: Desk) -> None:
        over = Override(EVERYWHERE, "disable", who="bob", expires_at=999.0)
        saved = Orders((Override(HERE, "drain"), over), (Addition("shop", WEB3, '{"address": "192.0.2.3:80"}'),))
        await desk.begin(POOL, orders=saved)
        assert desk.table.weights() == {WEB1: 0, WEB2: 2, WEB3: 1}
        assert desk.saved == [replace(saved, overrides=saved.overrides[:1])]

    play(story)


def test_a_start_says_which_saved_orders_are_over() -> None:
    async def story(desk: Desk) -> None:
        saved = Orders((), (Addition("news", WEB3, "{}", "bob"),), (Removal("shop", WEB3, "bob"),))
        await desk.book.begin(saved)
        await desk.file(POOL)
        assert desk.told(Warned) == [
            Warned("shop: 192.0.2.3:80 is no longer in the file; its removal is forgotten."),
            Warned("the addition of 192.0.2.3:80 is dropped: there is no virtual server news."),
        ]
        assert desk.saved == [Orders()]
        await desk.file(POOL)
        assert len(desk.told(Warned)) == 2

    play(story)


def test_an_added_server_is_in_the_pool_at_once_and_again_after_each_reload() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        outcome = await desk.done(add(name="web3", weight=5))
        assert outcome.message == "web3 (192.0.2.3:80) is added to shop."
        assert outcome.servers == (("shop", "web3"),)
        assert desk.table.weights() == {WEB1: 3, WEB2: 2, WEB3: 5}
        assert desk.told(RealServerAdded) == [RealServerAdded("shop", "web3", "alice", "new kernel")]
        settings = '{"address": "192.0.2.3:80", "name": "web3", "weight": 5}'
        assert desk.saved[-1].additions == (Addition("shop", WEB3, settings, "alice", "new kernel", 1000.0),)
        await desk.file(replace(POOL, real_servers=POOL.real_servers[:1]))
        assert desk.table.weights() == {WEB1: 3, WEB3: 5}
        await desk.file(shop(web(WEB3, name="web3", weight=5, probes=())))
        assert desk.saved[-1] == Orders()

    play(story)


def test_a_removed_server_stays_out_until_it_is_added_again_as_the_file_has_it() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        outcome = await desk.done(Remove(IN_SHOP))
        assert outcome.message == (
            "web1 (192.0.2.1:80) in shop is removed until it is added again or the file lists it no more."
        )
        assert desk.table.weights() == {WEB2: 2}
        assert desk.saved[-1].removals == (Removal("shop", WEB1, "alice", "new kernel", 1000.0),)
        assert desk.told(RealServerRemoved) == [RealServerRemoved("shop", "web1", "alice", "new kernel")]
        await desk.file(replace(POOL, real_servers=POOL.real_servers[::-1]))
        assert desk.table.weights() == {WEB2: 2}
        gone = await desk.asked(Drain(IN_SHOP))
        assert gone.result == "unknown"
        assert gone.message == (
            "web1 (192.0.2.1:80) in shop was removed at run time by alice; `healthlb add shop web1` brings it back."
        )
        outcome = await desk.done(add("192.0.2.1:80", weight=9))
        assert outcome.message == "web1 (192.0.2.1:80) is back in shop, as the file lists it."
        assert outcome.warnings == ("The settings that were given with it are not used: the file's are.",)
        assert desk.saved[-1] == Orders()
        assert desk.controller.pools.by_name["shop"].members[1].server.weight == 3

    play(story)


@pytest.mark.parametrize("word", ["web1", "192.0.2.1", "192.0.2.1:80"])
def test_a_removed_server_is_brought_back_by_each_word_that_it_may_be_removed_by(word: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.done(Remove(Target(word, "shop")))
        outcome = await desk.done(Add("shop", json.dumps({"address": word})))
        assert outcome.message == "web1 (192.0.2.1:80) is back in shop, as the file lists it."
        assert desk.saved[-1] == Orders()

    play(story)


def test_what_names_no_removed_server_or_says_more_than_its_name_is_added_as_it_is_written() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(shop(web(WEB1, name="web1"), web(replace(WEB1, port=81), name="web2"), web(WEB3)))
        given: list[str] = []

        def making(config: Config, name: str, settings: str) -> RealServer:
            given.append(settings)
            raise ConfigError([Fault("the request", 1, 1, "", "no")])

        desk.making = making
        await desk.done(Remove(Target("web1", "shop")))
        await desk.done(Remove(Target("web2", "shop")))
        wanted = [
            '{"address": "192.0.2.1"}',  # which of the two?
            '{"address": "192.0.2.1:80", "weight": 1}',
            '{"address": "192.0.2.9"}',
            '{"address": 1}',
            "[1]",
            "nonsense",
        ]
        for settings in wanted:
            assert (await desk.asked(Add("shop", settings))).result == "refused"
        assert given == wanted

    play(story)


def test_removing_what_was_added_leaves_no_trace_of_it() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.done(add())
        await desk.done(Drain(Target("192.0.2.3", "shop")))
        outcome = await desk.done(Remove(Target("192.0.2.3", "shop")))
        assert outcome.message == "192.0.2.3:80 in shop was added at run time and is removed."
        assert desk.saved[-1] == Orders()
        assert desk.table.weights() == {WEB1: 3, WEB2: 2}
        assert [each.what for each in desk.told(OverrideEnded)] == ["drain"]  # type: ignore[attr-defined]

    play(story)


def test_a_server_that_is_added_under_an_override_says_which() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.done(Disable(Target("192.0.2.3")))
        outcome = await desk.done(add())
        assert outcome.warnings == ("The override of 192.0.2.3 (disable, by alice: new kernel) covers it.",)
        assert desk.table.weights() == {WEB1: 3, WEB2: 2}

    play(story)


def test_removing_the_last_live_server_is_done_with_a_warning() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.result(WEB2, FAIL)
        assert (await desk.done(Remove(IN_SHOP))).warnings == ("No live server is left in shop.",)

    play(story)


def test_an_addition_that_can_be_no_server_now_is_kept_aside_told_once_and_back_when_it_can() -> None:
    async def story(desk: Desk) -> None:
        saved = Orders((), (Addition("shop", WEB3, '{"address": "192.0.2.3:80", "fault": "no check login"}', "bob"),))
        await desk.begin(POOL, orders=saved)
        sentence = "shop: 192.0.2.3:80, added at run time by bob, is kept aside: check: no check login"
        assert desk.book.aside == (sentence,)
        await desk.file(shop(web(WEB1), web(WEB2)))
        assert desk.told(Warned) == []
        assert desk.book.orders == saved
        desk.making = lambda config, name, _: make(config, name, '{"address": "192.0.2.3:80"}')
        await desk.file(POOL)
        assert desk.table.weights() == {WEB1: 3, WEB2: 2, WEB3: 1}
        assert desk.book.aside == ()

    play(story)


def test_an_addition_that_is_kept_aside_can_be_taken_back_by_its_address() -> None:
    async def story(desk: Desk) -> None:
        saved = Orders((), (Addition("shop", WEB3, '{"address": "192.0.2.3:80", "fault": "no check login"}', "bob"),))
        await desk.begin(POOL, orders=saved)
        outcome = await desk.done(Remove(Target("192.0.2.3", "shop")))
        assert outcome.message.startswith("192.0.2.3:80 in shop was added at run time and kept aside")
        assert outcome.servers == (("shop", "192.0.2.3:80"),)
        assert desk.told(RealServerRemoved) == [RealServerRemoved("shop", "192.0.2.3:80", "alice", "new kernel")]
        assert desk.saved[-1] == Orders()
        assert desk.book.aside == ()
        assert desk.table.weights() == {WEB1: 3, WEB2: 2}
        assert (await desk.asked(Remove(Target("192.0.2.3", "shop")))).result == "unknown"
        assert (await desk.asked(Remove(Target("web3", "shop")))).result == "unknown"

    play(story)


def test_an_addition_that_a_sorry_server_keeps_aside_is_what_a_removal_of_the_address_means() -> None:
    async def story(desk: Desk) -> None:
        saved = Orders((), (Addition("shop", WEB3, '{"address": "192.0.2.3:80"}', "bob"),))
        await desk.begin(replace(POOL, sorry_servers=(web(WEB3, name="sorry", probes=()),)), orders=saved)
        assert desk.book.aside
        await desk.done(Remove(Target("192.0.2.3:80", "shop")))
        assert desk.saved[-1] == Orders()
        assert (await desk.asked(Remove(Target("192.0.2.3:80", "shop")))).result == "refused"

    play(story)


def test_a_server_that_is_added_again_replaces_its_addition_that_is_kept_aside() -> None:
    async def story(desk: Desk) -> None:
        saved = Orders((), (Addition("shop", WEB3, '{"address": "192.0.2.3:80", "fault": "no check login"}', "bob"),))
        await desk.begin(POOL, orders=saved)
        await desk.done(add(weight=4))
        assert desk.table.weights() == {WEB1: 3, WEB2: 2, WEB3: 4}
        [addition] = desk.saved[-1].additions
        assert addition.who == "alice"
        assert desk.book.aside == ()
        await desk.done(Remove(Target("192.0.2.3:80", "shop")))
        assert desk.saved[-1] == Orders()

    play(story)


def test_an_addition_whose_settings_mean_another_address_now_is_kept_aside() -> None:
    async def story(desk: Desk) -> None:
        saved = Orders((), (Addition("shop", WEB3, '{"address": "192.0.2.4:80"}', "bob"),))
        await desk.begin(POOL, orders=saved)
        assert desk.book.aside[0].endswith("kept aside: by its settings it would be at 192.0.2.4:80 now")

    play(story)


def test_an_override_of_a_server_that_the_file_lists_no_more_can_still_be_taken_back() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL, MAIL)
        await desk.done(Drain(IN_SHOP))
        await desk.done(Drain(Target("relay", "mail")))
        await desk.file(shop(web(WEB2, name="web2")))
        assert (await desk.asked(Lift(IN_SHOP))).result == "unknown"
        assert (await desk.done(Lift(Target("192.0.2.1", "shop")))).message == "192.0.2.1:80 in shop: drain taken back."
        await desk.done(Lift(Target("192.0.2.1:80", "mail")))
        assert desk.saved[-1] == Orders()

    play(story)


def test_a_change_that_cannot_be_saved_is_made_all_the_same_and_says_so() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        desk.unsaved = "it would not survive a restart: /nowhere: no space left on device"
        outcome = await desk.done(Drain(IN_SHOP))
        assert outcome.warnings == (f"The change is made, but {desk.unsaved}.",)
        assert desk.table.weights() == {WEB1: 0, WEB2: 2}

    play(story)


def test_a_change_is_saved_before_it_acts() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        seen: list[object] = []

        async def save(orders: Orders) -> None:
            seen.append((desk.table.weights(), desk.controller.pools.by_name["shop"].members[0].standing.applied.admin))

        desk.book.save = save
        await desk.done(Drain(IN_SHOP))
        await desk.done(add())
        assert seen == [({WEB1: 3, WEB2: 2}, None), ({WEB1: 0, WEB2: 2}, "drain")]

    play(story)


def test_a_table_that_is_out_of_reach_is_a_warning_and_the_change_waits_for_it() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        desk.table.gone = True
        desk.controller._look = True
        outcome = await desk.done(Drain(IN_SHOP))
        [warning] = outcome.warnings
        assert warning == (
            "The table has not followed yet (the kernel does not answer); "
            "the change is carried out as soon as it can be."
        )
        desk.table.gone = False
        await desk.look()
        assert desk.table.weights() == {WEB1: 0, WEB2: 2}

    play(story)


def test_a_table_that_hangs_holds_up_an_answer_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "PASS_WAIT", 0.01)

    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        going = threading.Event()
        desk.table.refuse = lambda _: not going.wait(60)
        try:
            outcome = await desk.done(Drain(IN_SHOP))
            assert outcome.warnings[0].startswith("The table has not followed yet (it does not answer)")
            assert (await desk.done(Lift(IN_SHOP))).result == "done"
        finally:
            going.set()

    play(story)


def test_changes_are_carried_out_one_after_the_other_and_all_of_them() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        found = [desk.asked(add(f"192.0.2.{number}:80")) for number in range(10, 20)]
        found += [desk.asked(SetWeight(IN_SHOP, number)) for number in range(10)]
        assert {each.result for each in await asyncio.gather(*found)} == {"done"}
        assert len(desk.book.orders.additions) == 10
        assert len(desk.table.weights() or ()) == 12
        assert desk.saved[-1] == desk.book.orders

    play(story)


def test_one_who_asks_and_goes_away_does_not_leave_a_change_half_done() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        going = asyncio.Event()

        async def save(orders: Orders) -> None:
            await going.wait()

        desk.book.save = save
        asking = asyncio.create_task(desk.asked(Drain(IN_SHOP)))
        await asyncio.sleep(0)
        asking.cancel()
        going.set()
        await desk.done(SetWeight(Target("web2", "shop"), 4))
        assert desk.table.weights() == {WEB1: 0, WEB2: 4}

    play(story)


def test_a_file_that_hangs_holds_up_an_addition_and_no_drain() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        going = threading.Event()

        def slowly(config: Config, virtual_server: str, settings: str) -> RealServer:
            going.wait(60)
            return make(config, virtual_server, settings)

        desk.making = slowly
        adding = asyncio.create_task(desk.asked(add()))
        await asyncio.sleep(0)
        await desk.done(Drain(IN_SHOP))
        assert desk.table.weights() == {WEB1: 0, WEB2: 2}
        going.set()
        assert (await adding).result == "done"
        assert desk.table.weights() == {WEB1: 0, WEB2: 2, WEB3: 1}

    play(story)


def test_a_director_that_is_stopping_changes_nothing_more() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        desk.stopping = True
        for change in (Drain(IN_SHOP), add(), Remove(IN_SHOP)):
            assert (await desk.asked(change)).result == "refused"
        assert desk.saved == []

    play(story)


def test_who_gives_no_reason_is_told_without_one() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.operators.change(Actor("bob"), Disable(MACHINE))
        outcome = await desk.done(Drain(IN_SHOP))
        assert outcome.warnings == ("The override of 192.0.2.1 (disable, by bob) goes before it.",)

    play(story)
    assert ALICE.why


def test_a_drain_in_a_virtual_server_that_is_renamed_is_told_of_as_its_servers_have_traffic_again() -> None:
    async def story(desk: Desk) -> None:
        await desk.begin(POOL)
        await desk.done(Drain(IN_SHOP))
        for _ in range(2):
            await desk.file(replace(POOL, name="store"))
        assert desk.table.weights() == {WEB1: 3, WEB2: 2}
        left = f"{WEB1} in shop: drain by alice has no effect now: there is no virtual server shop."
        assert desk.told(Warned) == [Warned(left)]

    play(story)
