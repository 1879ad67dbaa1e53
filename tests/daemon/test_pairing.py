"""The director's side of VRRP, with a process that acts the part of the one that speaks."""

import asyncio
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from healthlb.daemon import pair_setup, pairing
from healthlb.daemon.handovers import Handovers
from healthlb.daemon.speaker_process import environment
from healthlb.model.events import Warned
from healthlb.model.overrides import HandedOver
from healthlb.model.vrrp import ConnectionSync, Track, Tracked, Vrrp
from healthlb.model.vrrp_events import BecameMaster, SpeakerFailed, SpeakerStarted
from healthlb.speaker.wire import Setup
from tests.daemon.pair_stage import ADDRESS, LINKS, OTHER_ADDRESS, VI_1, VI_2, Stage, pair, play
from tests.daemon.rig import FAIL, PASS, WEB1, shop, web
from waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "backoff", lambda attempts, _: 0.01 * attempts)


def test_what_may_be_in_the_kernel_is_written_down_before_the_process_hears_of_it(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "BACKUP")
        assert stage.notes.written == [ADDRESS]

    stage = play(tmp_path, "backup", story)
    assert stage.heard()[1:] == ["Setup VI_1=150", "Stop()"]
    assert stage.reasons() == []


def test_a_director_removes_what_one_before_it_left_behind_and_tells_what_stays(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert stage.notes.withdrawn == [()]
        stage.notes.stays = ("the kernel keeps it",)
        await stage.pairing.begin()
        assert stage.rig.told(Warned) == [Warned("VRRP: the kernel keeps it")]

    play(tmp_path, "backup", story)


def test_packets_are_crafted_in_a_thread_of_their_own_and_only_where_there_is_an_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crafting: list[str] = []

    def prepare(*arguments: Any) -> Setup:
        crafting.append(threading.current_thread().name)
        return pair_setup.prepare(*arguments)

    monkeypatch.setattr(pairing, "prepare", prepare)

    async def story(stage: Stage) -> None:
        stage.pairing.adopt(None)
        stage.pairing.adopt(Vrrp(sync=ConnectionSync("eth1", 51)))
        stage.pairing.look()
        assert crafting == []
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "BACKUP")

    play(tmp_path, "backup", story)
    assert threading.current_thread().name not in crafting
    assert crafting != []


def test_two_directors_of_one_machine_do_not_both_speak(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.notes.held = True
        await stage.pairing.begin()
        stage.notes.held = True
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "BACKUP")

    stage = play(tmp_path, "backup", story)
    assert stage.rig.told(Warned) == [Warned("VRRP: another director holds it")]
    assert stage.reasons() == ["another director holds it"]


def test_a_process_that_dies_leaves_no_address_and_another_takes_its_place(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "MASTER")
        assert stage.pairing.is_master("VI_1")
        speaker = stage.pairing.speaker()
        assert speaker is not None
        os.kill(speaker.pid, signal.SIGKILL)
        await stage.told(SpeakerStarted, 2)
        assert stage.notes.withdrawn == [(), ADDRESS]
        await stage.state("VI_1", "MASTER")
        again = stage.pairing.speaker()
        assert again is not None
        assert (again.restarts_total, again.problem, again.pid != speaker.pid) == (1, "", True)

    stage = play(tmp_path, "master", story)
    (reason,) = stage.reasons()
    assert "SIGKILL" in reason
    assert stage.turns >= 3


def test_while_no_process_speaks_an_instance_is_no_master_and_says_why(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1, VI_2, groups={"G": ("VI_2",)}))
        await stage.told(SpeakerFailed, 3)
        shown = stage.pairing.instances()
        assert [(each.name, each.state, each.group) for each in shown] == [("VI_1", "INIT", ""), ("VI_2", "INIT", "G")]
        assert shown[0].faults == (pairing.NOT_SPOKEN,)
        speaker = stage.pairing.speaker()
        assert speaker is not None
        assert speaker.restarts_total >= 2

    stage = play(tmp_path, "dying", story)
    assert "ended with status 3" in stage.reasons()[0]


def test_a_process_that_hangs_is_killed_and_its_addresses_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairing, "SILENCE", 1.5)

    async def story(stage: Stage) -> None:
        stage.behaviours = ["mute", "backup"]
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "BACKUP")

    stage = play(tmp_path, "", story)
    assert "SIGKILL: it said nothing for" in stage.reasons()[0]
    assert ADDRESS in stage.notes.withdrawn


def test_a_process_that_babbles_is_killed(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.behaviours = ["babbling", "backup"]
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "BACKUP")

    assert "cannot be understood" in play(tmp_path, "", story).reasons()[0]


def test_a_program_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing._argv = lambda _: ("/nonexistent/python",)
        stage.pairing.adopt(pair(VI_1))
        await stage.told(SpeakerFailed, 2)

    assert "cannot be started: No such file" in play(tmp_path, "backup", story).reasons()[0]


def test_a_reload_tells_the_same_process_what_is_new_and_nothing_when_nothing_is(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "MASTER")
        stage.pairing.adopt(pair(VI_1))
        stage.pairing.adopt(pair(replace(VI_1, priority=90), VI_2))
        await stage.state("VI_2", "MASTER")
        stage.pairing.adopt(pair(VI_2))
        await until(lambda: stage.notes.written[-1] == OTHER_ADDRESS)
        await until(lambda: [each.name for each in stage.pairing.instances()] == ["VI_2"])

    stage = play(tmp_path, "master", story)
    assert [line for line in stage.heard() if line.startswith("Setup")] == [
        "Setup VI_1=150",
        "Setup VI_1=90 VI_2=150",
        "Setup VI_2=150",
    ]
    assert stage.notes.written == [ADDRESS, ADDRESS + OTHER_ADDRESS, OTHER_ADDRESS]
    assert len(stage.rig.told(SpeakerStarted)) == 1


def test_what_an_address_left_is_withdrawn_with_until_the_process_has_followed(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        await stage.hears("Setup")
        stage.pairing.adopt(pair(VI_2))
        await until(lambda: stage.notes.written[-1] == OTHER_ADDRESS)

    stage = play(tmp_path, "backup", story)
    assert stage.notes.written == [ADDRESS, ADDRESS + OTHER_ADDRESS, OTHER_ADDRESS]


def test_a_file_without_instances_ends_the_process_and_one_with_some_starts_it_again(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "BACKUP")
        stage.pairing.adopt(None)
        await stage.hears("Stop()")
        assert stage.pairing.instances() == ()
        assert stage.pairing.speaker() is None
        stage.pairing.adopt(pair(VI_1))
        await stage.hears("Setup", 2)
        await stage.state("VI_1", "BACKUP")

    assert play(tmp_path, "backup", story).reasons() == []


def test_a_machine_that_stood_still_keeps_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "SILENCE", 2.0)

    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "MASTER")
        speaker = stage.pairing.speaker()
        assert speaker is not None
        os.kill(speaker.pid, signal.SIGSTOP)
        time.sleep(2.5)  # noqa: ASYNC251  this is what stands still
        os.kill(speaker.pid, signal.SIGCONT)
        before = stage.pairing._state
        await until(lambda: stage.pairing._state is not before)
        again = stage.pairing.speaker()
        assert again is not None
        assert again.pid == speaker.pid

    assert play(tmp_path, "master", story).reasons() == []


def test_an_interface_that_comes_makes_an_instance_speakable(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.links = {}
        stage.pairing.adopt(pair(VI_1))
        await stage.hears("there is no interface eth0")
        stage.links = LINKS
        stage.pairing._heard(pairing.InterfacesChanged(("eth0",)))
        await stage.hears("Setup VI_1=150", 2)

    assert play(tmp_path, "backup", story).heard()[-2] == "Setup VI_1=150"


def test_interfaces_that_cannot_be_read_are_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairing, "RETRY", 0.01)

    async def story(stage: Stage) -> None:
        right = stage.pairing._links
        stage.pairing._links = lambda: int("no")  # type: ignore[assignment, return-value]
        stage.pairing.adopt(pair(VI_1))
        await stage.told(SpeakerFailed)
        stage.pairing._links = right
        await stage.hears("Setup VI_1=150")

    assert "cannot be told what to speak" in play(tmp_path, "backup", story).reasons()[0]


def test_a_tracked_pool_is_told_with_the_setup_and_at_once_when_it_changes(tmp_path: Path) -> None:
    tracking = replace(VI_1, track=Track(virtual_servers=(Tracked("shop", -60),)))

    async def story(stage: Stage) -> None:
        await stage.rig.adopt(shop(web(WEB1)))
        await stage.rig.result(WEB1, PASS)
        stage.pairing.adopt(pair(tracking))
        await stage.state("VI_1", "BACKUP")
        assert [status.up for status in stage.pairing.instances()[0].tracked] == [True]
        await stage.rig.result(WEB1, FAIL)
        stage.pairing.alive()
        await stage.hears("up=False")
        stage.pairing.alive()

    stage = play(tmp_path, "backup", story)
    (line,) = [line for line in stage.heard() if line.startswith("Standings")]
    assert "its quorum is not met: live weight 0 of 1" in line


def test_the_process_hears_that_we_live_only_while_probes_are_started_in_time(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.alive()
        stage.pairing.adopt(pair(VI_1, checks_deadline=5.0))
        await stage.state("VI_1", "BACKUP")
        stage.late = 5.0
        stage.pairing.alive()
        stage.pairing.adopt(pair(VI_2, checks_deadline=5.0))
        await stage.state("VI_2", "BACKUP")
        assert not [line for line in stage.heard() if "Heartbeat" in line]
        stage.late = 4.9
        stage.pairing.alive()
        stage.pairing.alive()
        await stage.hears("Heartbeat")

    assert len([line for line in play(tmp_path, "backup", story).heard() if "Heartbeat" in line]) == 1


def test_an_instance_that_was_handed_over_stays_so_when_the_process_dies(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert not stage.pairing.order("VI_1", back=False)
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "MASTER")
        assert stage.pairing.order("VI_1", back=False)
        await stage.state("VI_1", "BACKUP")
        speaker = stage.pairing.speaker()
        assert speaker is not None
        os.kill(speaker.pid, signal.SIGKILL)
        await stage.hears("Setup VI_1=150 without VI_1")
        await stage.state("VI_1", "BACKUP")
        assert stage.pairing.order("VI_1", back=True)
        await stage.state("VI_1", "MASTER")

    assert len(play(tmp_path, "master", story).rig.told(BecameMaster)) == 2


def test_an_instance_stays_handed_over_by_another_name_when_the_process_dies_or_the_director_restarts(
    tmp_path: Path,
) -> None:
    saved: list[tuple[HandedOver, ...]] = []

    async def save(handed_over: tuple[HandedOver, ...]) -> None:
        saved.append(handed_over)

    async def story(stage: Stage) -> None:
        stage.pairing.handovers = Handovers(save)
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "MASTER")
        assert stage.pairing.order("VI_1", "ann", back=False)
        await stage.state("VI_1", "BACKUP")
        (shown,) = stage.pairing.instances()
        assert (shown.yielded, shown.yielded_by, shown.yielded_at > 0) == (True, "ann", True)
        stage.pairing.adopt(pair(replace(VI_1, name="VI_3")))
        await stage.hears("Setup VI_3=150 without VI_3")
        speaker = stage.pairing.speaker()
        assert speaker is not None
        os.kill(speaker.pid, signal.SIGKILL)
        await until(lambda: [(each.state, each.yielded) for each in stage.pairing.instances()] == [("INIT", True)])
        await stage.hears("Setup VI_3=150 without VI_3", 2)
        await stage.state("VI_3", "BACKUP")

    async def again(stage: Stage) -> None:
        stage.pairing.handovers.recall(saved[-1])
        stage.pairing.adopt(pair(replace(VI_1, name="VI_3")))
        await stage.state("VI_3", "BACKUP")

    play(tmp_path, "master", story)
    ((found,),) = saved[-1:]
    assert (found.instance, found.who, found.at > 0) == ("VI_3", "ann", True)
    play(tmp_path, "master", again)


def test_what_cannot_be_written_down_is_told_once_and_shown(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.notes.refusal = "it cannot be written down"
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "BACKUP")
        stage.pairing.adopt(pair(VI_2))
        await stage.state("VI_2", "BACKUP")
        speaker = stage.pairing.speaker()
        assert speaker is not None
        assert speaker.problem == "it cannot be written down"

    assert play(tmp_path, "backup", story).reasons() == ["it cannot be written down"]


def test_a_dry_run_speaks_nothing_and_shows_what_it_would_speak(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        stage.pairing.alive()
        (shown,) = stage.pairing.instances()
        assert (shown.state, shown.faults, shown.addresses) == ("INIT", (), ("192.0.2.10/24",))
        assert stage.pairing.speaker() is None
        assert not stage.pairing.order("VI_1", back=False)

    stage = play(tmp_path, "backup", story, kernel=False)
    assert (stage.heard(), stage.notes.withdrawn) == ([], [])


def test_a_process_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "PARTING", 0.5)

    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "BACKUP")
        speaker = stage.pairing.speaker()
        assert speaker is not None
        os.kill(speaker.pid, signal.SIGSTOP)

    assert ADDRESS in play(tmp_path, "backup", story).notes.withdrawn


def test_a_director_without_a_process_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing_to_speak(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        await stage.state("VI_1", "BACKUP")
        stage.pairing.adopt(None)
        await until(lambda: stage.pairing._process is None)
        await ends(stage)

    async def nothing_that_speaks(stage: Stage) -> None:
        stage.pairing._argv = lambda _: ("/nonexistent/python",)
        stage.pairing.adopt(pair(VI_1))
        await stage.told(SpeakerFailed)
        await ends(stage)

    async def ends(stage: Stage) -> None:
        async with asyncio.timeout(30):
            await stage.pairing.close()

    monkeypatch.setattr(pairing, "backoff", lambda *_: 3600.0)
    monkeypatch.setattr(pairing, "PARTING", 40.0)
    for story in (nothing_to_speak, nothing_that_speaks):
        play(tmp_path, "backup", story)


def test_the_process_is_given_no_variable_that_may_hold_a_secret() -> None:
    given = environment({"PATH": "/bin", "TOKEN": "secret", "PYTHONPATH": "/a:/b"})
    assert given["PATH"] == "/bin"
    assert given["PYTHONPATH"].endswith("/a:/b")
    assert "secret" not in str(given)
