"""Checks that VRRP instances follow: probed like those of real servers, each probe once."""

from dataclasses import replace
from pathlib import Path

import pytest

from healthlb.core.vrrp.tracking import NOT_YET
from healthlb.core.vrrp.tracking import standing as standing_of
from healthlb.daemon.preflight import checks_of
from healthlb.daemon.standings import steady
from healthlb.model.check import Probe
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Health
from healthlb.model.vrrp import Track, Tracked, TrackedCheck, VirtualAddress, Vrrp, VrrpInstance
from healthlb.model.vrrp_status import TrackStatus
from tests.daemon.pair_stage import VI_1, Stage, play
from tests.daemon.pair_stage import pair as pair_of
from tests.daemon.rig import CHECK, FAIL, PASS, WEB1, WEB2, Rig, config, run, shop, web

GATEWAY = Endpoint("192.0.2.254", 80)


def pair(*targets: Endpoint) -> Vrrp:
    checks = tuple(TrackedCheck(Tracked(f"to {target}"), Probe(CHECK, target)) for target in targets)
    address = VirtualAddress("198.51.100.1", 24)
    instance = VrrpInstance("VI_1", "eth0", 51, 4, (address,), track=Track(checks=checks))
    return Vrrp({"VI_1": instance})


async def adopt(rig: Rig, vrrp: Vrrp | None, *targets: Endpoint) -> None:
    servers = (shop(*map(web, targets)),) if targets else ()
    await rig.controller.adopt(replace(config(*servers), vrrp=vrrp))
    await rig.controller.make_pass()


def health_of(rig: Rig, target: Endpoint) -> Health:
    return rig.controller.pools.tracked[Probe(CHECK, target)].state.health


def test_a_tracked_check_is_probed_until_the_file_no_longer_has_it() -> None:
    async def story(rig: Rig) -> None:
        await adopt(rig, pair(GATEWAY, WEB2), WEB1)
        assert set(rig.records) == {GATEWAY, WEB1, WEB2}
        await adopt(rig, pair(WEB2), WEB1)
        assert set(rig.records) == {WEB1, WEB2}
        await adopt(rig, None, WEB1)
        assert set(rig.records) == {WEB1}

    run(story)


def test_a_tracked_check_shares_its_probe_with_a_real_server_and_outlives_it() -> None:
    async def story(rig: Rig) -> None:
        await adopt(rig, pair(WEB1), WEB1, WEB2)
        shared = rig.records[WEB1]
        await rig.result(WEB1, PASS)
        await adopt(rig, pair(WEB1), WEB2)
        assert rig.records[WEB1] is shared
        assert health_of(rig, WEB1) is Health.UP
        await adopt(rig, None, WEB1)
        assert set(rig.records) == {WEB1}

    run(story)


def test_the_turn_of_a_tracked_check_is_told_at_once_and_that_of_another_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(rig: Rig) -> None:
        turns: list[Health] = []
        pools = rig.controller.pools
        monkeypatch.setattr(pools, "_tell_turned", lambda: turns.append(health_of(rig, GATEWAY)))
        await adopt(rig, pair(GATEWAY), WEB1)
        await rig.result(WEB1, PASS)
        assert not turns
        await rig.result(GATEWAY, PASS)
        await rig.result(GATEWAY, FAIL, times=4)
        assert turns[-1] is Health.DOWN
        assert Health.UP in turns

    run(story)


def test_a_tracked_check_is_prepared_as_one_of_a_real_server_is() -> None:
    assert {*checks_of(replace(config(), vrrp=pair(GATEWAY))).values()} == {CHECK.name}


def test_what_nothing_is_known_of_is_down_at_the_start_and_stands_as_before_after_a_reload() -> None:
    def statuses(up: bool, reason: str, *names: str) -> tuple[TrackStatus, ...]:
        return tuple(TrackStatus("check", name, up, None, reason) for name in names)

    unknown = statuses(False, NOT_YET.reason, "gateway")
    assert steady(unknown, None) == unknown
    assert steady(unknown, unknown) == unknown
    for up in (True, False):
        before = statuses(up, "", "gateway")
        assert steady(unknown, before) == statuses(up, NOT_YET.reason, "gateway")
        assert steady(statuses(not up, "", "gateway"), before) == statuses(not up, "", "gateway")


def test_what_a_reload_tracks_for_the_first_time_counts_for_nothing_until_its_verdict() -> None:
    weights = (None, -60, 60)
    unknown = tuple(TrackStatus("check", str(weight), False, weight, NOT_YET.reason) for weight in weights)
    found = steady(unknown, ())
    assert [each.up for each in found] == [True, True, False]
    settled = standing_of(150, found)
    assert (settled.priority, settled.faults) == (150, ())


def test_a_reload_that_changes_a_tracked_check_is_no_fault(tmp_path: Path) -> None:
    def tracking(probe: Probe) -> VrrpInstance:
        return replace(VI_1, track=Track(checks=(TrackedCheck(Tracked("gateway"), probe),)))

    async def story(stage: Stage) -> None:
        first, second = Probe(CHECK, GATEWAY), Probe(CHECK, WEB2)
        for probe in (first, second):
            vrrp = pair_of(tracking(probe))
            await adopt(stage.rig, vrrp)
            stage.pairing.adopt(vrrp)
            assert [each.up for each in stage.pairing._tracked["VI_1"]] == [probe is second]
            await stage.rig.result(GATEWAY if probe is first else WEB2, PASS)
            assert [each.up for each in stage.pairing._tracked["VI_1"]] == [True]

    play(tmp_path, "backup", story)
