"""Orders of operators to hand an instance over and to take it back, as the process that speaks follows them or not."""

from dataclasses import replace
from pathlib import Path

import pytest

from healthlb.daemon import handing_over
from healthlb.daemon.handing_over import HandingOver
from healthlb.daemon.handovers import Handovers
from healthlb.daemon.pair_sentences import told_of_pair
from healthlb.model.changes import Actor, FailoverOutcome
from healthlb.model.vrrp_events import FailoverOrdered
from tests.daemon.pair_stage import VI_1, Stage, pair, play

ANN = Actor("ann")
QUICK = replace(VI_1, interval=0.01)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_over, "DONE_WITHIN", 0.3)


def ordered(folder: Path, behaviour: str, *orders: bool, name: str = "VI_1") -> tuple[list[FailoverOutcome], Stage]:
    """Return the outcomes of orders, each to take it back or not, and what was heard of them."""
    outcomes: list[FailoverOutcome] = []

    async def story(stage: Stage) -> None:
        if behaviour != "silent":
            stage.pairing.adopt(pair(QUICK))
            await stage.state("VI_1", "BACKUP" if behaviour == "backup" else "MASTER")
        handing = HandingOver(stage.pairing, stage.rig.events.append)
        outcomes.extend([await handing.failover(ANN, name, back=back) for back in orders])

    return outcomes, play(folder, behaviour, story)


def test_an_instance_is_handed_over_and_taken_back(tmp_path: Path) -> None:
    outcomes, stage = ordered(tmp_path, "master", False, False, True, True)
    assert outcomes == [
        FailoverOutcome("done", "VI_1 is handed over; the master is 192.0.2.3."),
        FailoverOutcome("refused", "VI_1 is handed over already."),
        FailoverOutcome("done", "VI_1 is MASTER here again."),
        FailoverOutcome("refused", "VI_1 is MASTER here."),
    ]
    assert stage.rig.told(FailoverOrdered) == [
        FailoverOrdered("ann", "VI_1", back=False, forced=False),
        FailoverOrdered("ann", "VI_1", back=True, forced=False),
    ]


def test_the_reason_that_an_operator_gives_is_told_with_the_order(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(QUICK))
        await stage.state("VI_1", "MASTER")
        actor = Actor("ann", "new kernel")
        await HandingOver(stage.pairing, stage.rig.events.append).failover(actor, "VI_1", force=True)

    (event,) = play(tmp_path, "master", story).rig.told(FailoverOrdered)
    assert told_of_pair(event) == ("warning", "VI_1 is handed over, by ann (forced) (new kernel)")


def test_an_order_that_cannot_be_saved_is_in_force_and_says_so(tmp_path: Path) -> None:
    async def refuse(_: object) -> str:
        return "it would not survive a restart: the disk is full"

    async def story(stage: Stage) -> None:
        stage.pairing.handovers = Handovers(refuse)
        stage.pairing.adopt(pair(QUICK))
        await stage.state("VI_1", "MASTER")
        outcome = await HandingOver(stage.pairing, stage.rig.events.append).failover(ANN, "VI_1")
        assert (outcome.result, outcome.notes) == (
            "done",
            ("the order is in force, but it would not survive a restart: the disk is full",),
        )

    play(tmp_path, "master", story)


def test_a_backup_has_nothing_to_hand_over_or_to_take_back(tmp_path: Path) -> None:
    outcomes, stage = ordered(tmp_path, "backup", False, True)
    assert [outcome.message for outcome in outcomes] == [
        "VI_1 is BACKUP here.",
        "VI_1 is not handed over: its priority decides.",
    ]
    assert {outcome.result for outcome in outcomes} == {"refused"}
    assert stage.rig.told(FailoverOrdered) == []


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("stubborn", "VI_1 is still MASTER here; see the log."),
        ("alone", "Nobody took VI_1 over, so that it is MASTER here again."),
    ],
)
def test_an_order_that_came_to_nothing_says_so(tmp_path: Path, behaviour: str, message: str) -> None:
    assert ordered(tmp_path, behaviour, False)[0] == [FailoverOutcome("refused", message)]


def test_what_another_keeps_is_not_called_ours_again(tmp_path: Path) -> None:
    _, back = ordered(tmp_path, "weak", False, True)[0]
    assert back.message == ("VI_1 is no longer handed over, but not MASTER here: the master has the higher priority.")


def test_an_unknown_instance_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    (outcome,) = ordered(tmp_path, "master", False, name="VI_2")[0]
    assert (outcome.result, outcome.message) == ("unknown", "There is no VRRP instance 'VI_2'; did you mean VI_1?")


def test_what_nobody_speaks_for_is_not_handed_over(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.pairing.adopt(pair(VI_1))
        outcome = await HandingOver(stage.pairing, stage.rig.events.append).failover(ANN, "VI_1")
        assert outcome.message == "No process speaks for VI_1 here now."

    play(tmp_path, "backup", story, kernel=False)
