"""What of a pair is called a problem."""

from healthlb.core.pair_concern import of_instance, of_speaker, of_sync, warning_of


def test_an_instance_in_fault_is_a_problem_with_its_reasons() -> None:
    told = of_instance("VI_1", "FAULT", faults=("eth1 is down", "shop is down"), split_brain="")
    assert told == "VI_1 is in FAULT: eth1 is down, shop is down"
    assert of_instance("VI_1", "FAULT", faults=(), split_brain="") == "VI_1 is in FAULT"


def test_a_second_master_is_a_problem() -> None:
    told = of_instance("VI_1", "MASTER", faults=(), split_brain="192.0.2.3 has our address")
    assert told == "VI_1 has a second master: 192.0.2.3 has our address"


def test_master_backup_and_the_beginning_are_no_problems() -> None:
    for state in ("MASTER", "BACKUP", "INIT"):
        assert not of_instance("VI_1", state, faults=(), split_brain="")


def test_that_nobody_speaks_is_a_problem_and_so_is_what_the_speaker_cannot_do() -> None:
    assert of_speaker(running=False, problem="") == "nobody speaks VRRP"
    assert of_speaker(running=False, problem="no permission") == "nobody speaks VRRP: no permission"
    assert of_speaker(running=True, problem="an address was refused") == "VRRP: an address was refused"
    assert not of_speaker(running=True, problem="")


def test_a_sync_daemon_that_is_wanted_has_to_run() -> None:
    assert of_sync("backup", running=False, wanted=True, problem="") == (
        "connection sync: the backup daemon does not run"
    )
    assert of_sync("master", running=False, wanted=True, problem="no such device") == (
        "connection sync: the master daemon: no such device"
    )
    assert not of_sync("master", running=True, wanted=True, problem="")
    assert not of_sync("master", running=True, wanted=False, problem="")


def test_what_was_handed_over_is_not_forgotten() -> None:
    assert warning_of("VI_1", yielded=True).startswith("VI_1 was handed over by an operator")
    assert warning_of("VI_1", yielded=True, by="ann").startswith("VI_1 was handed over by ann; `healthlb failover VI_1")
    assert not warning_of("VI_1", yielded=False)
