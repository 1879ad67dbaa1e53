"""Probes counted by the name of their check: as the file names it now, and no longer than it does."""

from dataclasses import replace

from healthlb.model.check import Probe
from healthlb.model.snapshot import CheckTotals
from tests.daemon.rig import CHECK, FAIL, OTHER, PASS, UNSENT, WEB1, WEB2, Rig, run, shop, shown, web


async def totals(rig: Rig) -> dict[str, CheckTotals]:
    return {each.name: each for each in (await shown(rig)).director.probing.checks}


def test_a_probe_that_two_pools_share_counts_once() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop(), shop(name="other", key=OTHER))
        await rig.result(WEB1, PASS, times=3)
        await rig.result(WEB2, FAIL, times=2)
        await rig.result(WEB2, UNSENT, times=1)
        (check,) = (await totals(rig)).values()
        assert (check.passed_total, check.failed_total, check.unsent_total, check.void_total) == (3, 2, 1, 0)
        assert sum(check.durations.counts) == 5

    run(story)


def test_a_check_that_only_has_another_name_is_counted_under_it_from_then_on() -> None:
    renamed = replace(CHECK, name="front")

    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, PASS)
        servers = [web(address, probes=(Probe(renamed, address),)) for address in (WEB1, WEB2)]
        await rig.adopt(shop(*servers))
        await rig.result(WEB1, PASS, times=3)
        found = await totals(rig)
        assert {name: check.passed_total for name, check in found.items()} == {"front": 3}
        assert rig.records[WEB1].passed_total == 5

    run(story)


def test_names_that_no_check_has_any_more_are_forgotten() -> None:
    async def story(rig: Rig) -> None:
        for number in range(20):
            check = replace(CHECK, name=f"check-{number}", schedule=replace(CHECK.schedule, rise=number + 1))
            await rig.adopt(shop(web(WEB1, probes=(Probe(check, WEB1),))))
            assert list(await totals(rig)) == [check.name]
        await rig.adopt()
        assert await totals(rig) == {}

    run(story)
