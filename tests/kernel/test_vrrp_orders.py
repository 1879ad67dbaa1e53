"""What becomes of a master when its file, its operator or its service manager wants something, with real keepalived."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from healthlb.model.vrrp import ConnectionSync
from pair import GATEWAY, SHARED, PairNetwork
from pair_directors import NAME, Healthlb, Keepalived, ours_alone_is_master, standard
from waiting import eventually

Pair = tuple[Healthlb, Keepalived]
TOLD = replace(standard(150, interval=0.3), checks_deadline=2.0, sync=ConnectionSync("eth1", 51))


@pytest.fixture(scope="module")
def running(pair_network_of_the_guest: PairNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Yield a healthlb that would be master, and a keepalived that would follow."""
    network = pair_network_of_the_guest
    network.tidy()
    folder: Path = tmp_path_factory.mktemp("pair")
    ours = Healthlb(network, network.directors[0], folder, TOLD)
    theirs = Keepalived(network, network.directors[1], folder, standard(100, interval=0.3))
    # Once as it is started in earnest, without anything that others have imported.
    ours.cold = True
    ours.start()
    ours.cold = False
    yield ours, theirs
    for director in (ours, theirs):
        if director.running():
            director.stop()


@pytest.fixture
def pair(running: Pair) -> Pair:
    """Return both, running, healthlb as MASTER."""
    for director in running:
        if not director.running():
            director.start()
    ours_alone_is_master(running)
    return running


def theirs_alone_is_master(pair: Pair) -> None:
    ours, theirs = pair
    theirs.becomes("MASTER")
    ours.becomes("BACKUP")
    ours.gives(SHARED, GATEWAY)


def shown(ours: Healthlb) -> Any:
    """Return the instance as the status shows it."""
    return ours.director.status()["vrrp"][0]


def order(ours: Healthlb, **body: bool) -> Any:
    """Order a failover on the admin socket, and return the answer."""
    socket = ours.director.file.parent / "admin.sock"
    words = ("-s", "--unix-socket", str(socket), "-H", "Content-Type: application/json", "-d", json.dumps(body))
    return json.loads(ours.machine.run("curl", *words, f"http://healthlb/api/v1/vrrp/{NAME}/failover"))


def test_a_reload_changes_a_master_and_leaves_it_one(pair: Pair) -> None:
    ours, theirs = pair
    speaker, before = ours.speaker(), theirs.logged()
    instance = TOLD.instances[NAME]
    for priority in (140, 150):
        ours.vrrp = replace(TOLD, instances={NAME: replace(instance, priority=priority)})
        ours.director.write(ours.text())
        os.kill(ours.process.pid, signal.SIGHUP)
        eventually(lambda: shown(ours)["priority"]["effective"], priority.__eq__)
        assert shown(ours)["state"] == "MASTER"
    assert ours.speaker() == speaker
    assert f"{NAME} has priority 140, was 150: the file says so" in ours.logged()
    assert "Entering MASTER" not in theirs.logged().removeprefix(before)


def test_a_director_that_hangs_gives_mastership_up_and_takes_it_back_when_it_goes_on(pair: Pair) -> None:
    ours, theirs = pair
    os.kill(ours.process.pid, signal.SIGSTOP)
    try:
        theirs.becomes("MASTER")
        ours.gives(SHARED, GATEWAY)
    finally:
        os.kill(ours.process.pid, signal.SIGCONT)
    ours_alone_is_master(pair)


def test_an_operator_hands_over_and_takes_back(pair: Pair) -> None:
    ours, _ = pair
    answer = order(ours)
    assert answer["result"] == "done", answer
    assert answer["message"] == f"{NAME} is handed over; the master is {ours.network.source(pair[1].machine)}."
    theirs_alone_is_master(pair)
    assert shown(ours)["yielded"]
    ours.kill_speaker()
    eventually(lambda: shown(ours)["state"] == "BACKUP" and shown(ours)["yielded"], bool)
    ours.stop()
    ours.start()
    eventually(lambda: shown(ours)["state"] == "BACKUP" and shown(ours)["master"], bool)
    assert shown(ours)["yielded"]
    answer = order(ours, back=True)
    assert answer["message"] == f"{NAME} is MASTER here again."
    ours_alone_is_master(pair)


def test_what_two_killed_processes_left_is_released_by_the_service_managers_last_step(pair: Pair) -> None:
    ours, theirs = pair
    ours.kill()
    theirs.becomes("MASTER")
    assert ours.has(SHARED)
    release = f"mount --bind {ours.folder}/run /run/healthlb && exec {sys.executable} -m healthlb release"
    said = ours.machine.run("unshare", "--mount", "sh", "-c", release)
    assert f"released address {SHARED}/24 on eth0" in said
    assert not ours.has(SHARED)
    assert not ours.has(GATEWAY)
    ours.start()
    ours_alone_is_master(pair)


def test_both_connection_sync_daemons_run_and_outlive_a_stop(pair: Pair) -> None:
    ours, _ = pair

    def running() -> set[str]:
        return {each["role"] for each in ours.director.status()["connection_sync"] if each["running"]}

    eventually(running, {"master", "backup"}.__eq__)
    ours.stop()
    assert f"{NAME} is MASTER no more, had priority 150: it stops" in ours.logged()
    assert not ours.has(SHARED)
    assert len(ours.machine.run("ipvsadm", "-Ln", "--daemon").splitlines()) == 2
    for role in ("master", "backup"):
        ours.machine.run("ipvsadm", "--stop-daemon", role)
