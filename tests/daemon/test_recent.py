"""The strip of latest results, which costs a probe that passes as ever nothing."""

from hypothesis import given
from hypothesis import strategies as st

from healthlb.daemon.records import STRIP
from tests.daemon.rig import FAIL, PASS, UNSENT, WEB1, Rig, run, shop, shown


@given(st.lists(st.sampled_from("10-"), max_size=3 * STRIP))
def test_the_latest_sixty_results_are_shown_in_their_order_and_what_was_not_sent_is_none(history: list[str]) -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        for one in history:
            await rig.result(WEB1, {"1": PASS, "0": FAIL, "-": UNSENT}[one], times=1)
        server = (await shown(rig)).virtual_servers[0].real_servers[0]
        assert server.checks[0].recent == "".join(history).replace("-", "")[-STRIP:]

    run(story)


def test_a_strip_outlives_a_reload_as_the_verdict_does() -> None:
    async def story(rig: Rig) -> None:
        await rig.adopt(shop())
        await rig.result(WEB1, FAIL, times=2)
        await rig.result(WEB1, PASS, times=100)
        await rig.adopt(shop())
        assert (await shown(rig)).virtual_servers[0].real_servers[0].checks[0].recent == "1" * STRIP

    run(story)
