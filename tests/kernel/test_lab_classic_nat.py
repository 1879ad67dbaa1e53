"""The lab itself: the seed scenario with nothing but ipvsadm, through real traffic."""

import itertools

import pytest

from classic import (
    LOCAL_NAME,
    LOCAL_PORT,
    REMOTE_ADDRESS,
    REMOTE_NAME,
    REMOTE_PORT,
    VIRTUAL_ADDRESS,
    VIRTUAL_PORT,
    ClassicNat,
)
from traffic import Connection, Load, NoAnswerError, ask, ask_udp, names
from waiting import eventually

VIRTUAL = f"{VIRTUAL_ADDRESS}:{VIRTUAL_PORT}"
REMOTE = f"{REMOTE_ADDRESS}:{REMOTE_PORT}"
LOCAL = f"{VIRTUAL_ADDRESS}:{LOCAL_PORT}"


@pytest.fixture
def balanced(classic: ClassicNat) -> ClassicNat:
    """Return the classic set-up with its table written by ipvsadm."""
    classic.director.run("ipvsadm", "-A", "-t", VIRTUAL, "-s", "rr")
    for server in (REMOTE, LOCAL):
        classic.director.run("ipvsadm", "-a", "-t", VIRTUAL, "-r", server, "-m")
    return classic


def test_the_clients_answers_alternate_between_both_real_servers(balanced: ClassicNat) -> None:
    answers = names(balanced.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 6)
    assert set(answers) == {REMOTE_NAME, LOCAL_NAME}
    assert all(one != other for one, other in itertools.pairwise(answers))


def test_the_kernel_counts_what_went_through_the_virtual_server(balanced: ClassicNat) -> None:
    names(balanced.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 4)

    def counted() -> list[str]:
        statistics = balanced.director.run("ipvsadm", "-Ln", "--stats")
        return [line.split()[2] for line in statistics.splitlines() if REMOTE in line or LOCAL in line]

    # The kernel adds its counters up every two seconds (estimation_timer in net/netfilter/ipvs/ip_vs_est.c).
    eventually(counted, ["2", "2"].__eq__)


def test_a_killed_real_server_fails_its_share_until_it_is_started_again(balanced: ClassicNat) -> None:
    with (
        Connection(balanced.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as first,
        Connection(balanced.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as second,
    ):
        open_connections = {first.ask(): first, second.ask(): second}
        balanced.remote.kill()
        with pytest.raises(NoAnswerError):
            open_connections[REMOTE_NAME].ask()
        assert open_connections[LOCAL_NAME].ask() == LOCAL_NAME
    with pytest.raises(NoAnswerError):
        names(balanced.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 2)
    balanced.remote.start()
    assert set(names(balanced.client, VIRTUAL_ADDRESS, VIRTUAL_PORT, 2)) == {REMOTE_NAME, LOCAL_NAME}


def test_a_load_sees_no_failure_while_a_real_server_is_drained(balanced: ClassicNat) -> None:
    with Load(balanced.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) as load:
        load.wait_for(20)
        balanced.director.run("ipvsadm", "-e", "-t", VIRTUAL, "-r", REMOTE, "-m", "-w", "0")
        load.wait_for(20)
    assert load.failures == []
    assert load.answers[LOCAL_NAME] > load.answers[REMOTE_NAME] > 0


def test_udp_goes_through_a_virtual_server_as_well(classic: ClassicNat) -> None:
    classic.director.run("ipvsadm", "-A", "-u", VIRTUAL, "-s", "rr")
    classic.director.run("ipvsadm", "-a", "-u", VIRTUAL, "-r", REMOTE, "-m")
    assert ask_udp(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT) == REMOTE_NAME


def test_a_fresh_directors_table_is_empty_whatever_an_earlier_test_left(classic: ClassicNat) -> None:
    assert classic.director.run("ipvsadm", "-Sn") == ""
    with pytest.raises(NoAnswerError):
        ask(classic.client, VIRTUAL_ADDRESS, VIRTUAL_PORT)
