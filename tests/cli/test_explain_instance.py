"""Why a VRRP instance is as it is, in sentences, from what the status and the journal say of it."""

import contextlib
import io
import json
from dataclasses import replace
from typing import Any

from healthlb.cli.explain_instance import explain
from healthlb.cli.explain_words import Explanation
from healthlb.cli.main import main
from healthlb.model.snapshot import Snapshot
from healthlb.model.vrrp_status import InstanceStatus, PairStatus, SpeakerStatus, TrackStatus
from made_up_pair import BACKUP, FAULT, MASTER, MOMENT, PAIR, SPEAKER, SPLIT
from tests.cli.stand_in import Asked, standing_in
from tests.cli.statuses import told

ALONE = replace(BACKUP, group="")


def explained(
    snapshot: Snapshot, one: InstanceStatus, *events: dict[str, Any], speaker: SpeakerStatus | None = SPEAKER
) -> Explanation:
    status = told(replace(snapshot, virtual_servers=(), pair=PairStatus((one,), (), speaker)))
    return explain(status["vrrp"][0], status["speaker"], list(events), MOMENT)


def section(told: Explanation, title: str) -> list[str]:
    return next((each.sentences for each in told.sections if each.title == title), [])


def remedies(told: Explanation) -> list[str]:
    return section(told, "What would make it MASTER")


def test_a_master_is_told_with_what_its_priority_is_made_of(snapshot: Snapshot) -> None:
    found = explained(snapshot, MASTER)
    assert found.headline == "VI_1 (VRRP 3, router id 51 on eth0) has been MASTER for 66m."
    assert section(found, "Why") == [
        "It has the addresses: no better master is heard.",
        "Addresses: 198.51.100.100/24, 198.51.100.101/24.",
        "It is in the group both: all of it are MASTER or none is.",
        "Adverts that were not heeded: 3 checksum (docs/pairing.md has what each means).",
    ]
    assert section(found, "Priority") == [
        "It is 90; the file says 150.",
        "interface eth1 is up.",
        "virtual server shop is down (quorum 1 LOST): -60.",
    ]
    assert remedies(found) == []
    assert not found.fine
    assert explained(snapshot, replace(MASTER, tracked=(), effective_priority=150)).fine


def test_a_backup_says_who_is_master_and_what_would_change_that(snapshot: Snapshot) -> None:
    found = explained(snapshot, ALONE)
    assert section(found, "Why")[0] == "203.0.113.3 is master with priority 200; ours is 150."
    assert remedies(found) == [
        "No advert for 3.414s: then it is MASTER.",
        "A failover that is ordered on 203.0.113.3: `healthlb failover VI_2`, if that is a healthlb.",
        "A priority of more than 200, by the file or by what it tracks.",
    ]
    assert found.fine
    assert "A master stays where the priorities are equal." in section(
        explained(snapshot, replace(ALONE, master_priority=150)), "Why"
    )
    lower = explained(snapshot, replace(BACKUP, master_priority=100))
    assert (
        "Whether and when the higher one takes over `preempt` and `start_delay` say in the file, and each of its group "
        "has to be able to."
    ) in section(lower, "Why")
    assert len(remedies(lower)) == 2
    silence = explained(snapshot, replace(ALONE, version=3, interval=0.1, master="", master_priority=0))
    assert "No master is heard: unless one is within three intervals, it takes over." in section(silence, "Why")
    assert remedies(silence) == ["No advert for 341ms: then it is MASTER."]


def test_what_was_handed_over_says_how_it_is_taken_back(snapshot: Snapshot) -> None:
    found = explained(
        snapshot,
        replace(ALONE, yielded=True, yielded_by="uid 0 (root)", yielded_at=MOMENT - 7200, master_priority=90),
    )
    ordered, master = section(found, "Why")[:2]
    assert ordered.startswith("uid 0 (root) handed it over 2h ago (")
    assert ordered.endswith("): whoever is master stays so, of whatever priority.")
    assert master == "203.0.113.3 is master with priority 90; ours is 150."
    assert remedies(found)[0] == "`healthlb failover VI_2 --back` here."
    assert not found.fine


def test_trouble_is_told(snapshot: Snapshot) -> None:
    fault = explained(snapshot, FAULT)
    assert section(fault, "Why")[0] == "It may not be master: eth1 is down."
    assert remedies(fault) == ["Nothing of what it is in FAULT for may be down any more; then it begins as BACKUP."]
    split = explained(snapshot, SPLIT)
    assert section(split, "Why")[1].startswith("But there is a second master: 198.51.100.3 adverts")
    dead = explained(snapshot, replace(ALONE, state="INIT", master=""), speaker=replace(SPEAKER, running=False))
    assert section(dead, "Why")[0] == "Nobody speaks VRRP on this director now."
    dry = explained(snapshot, replace(ALONE, state="INIT", master=""), speaker=None)
    assert section(dry, "Why")[0].startswith("It does not speak: a dry run")
    assert remedies(dry) == []
    assert not any(each.fine for each in (fault, split, dead, dry))


def test_every_weight_is_told_with_what_it_does(snapshot: Snapshot) -> None:
    tracked = (
        TrackStatus("check", "gateway", True, -30),
        TrackStatus("check", "far", True, 5),
        TrackStatus("check", "near", False, 5, "timed out"),
        TrackStatus("interface", "eth1", False, None),
    )
    found = explained(snapshot, replace(MASTER, tracked=tracked, effective_priority=1))
    assert section(found, "Priority") == [
        "It is 1; the file says 150.",
        "check gateway is up: 0, -30 while down.",
        "check far is up: +5.",
        "check near is down (timed out): 0, +5 while up.",
        "interface eth1 is down: FAULT.",
        "By that it would be 155; the last changes say what else counts.",
    ]
    owner = explained(snapshot, replace(MASTER, configured_priority=255, effective_priority=255))
    assert len(section(owner, "Priority")) == 3


def test_the_command_tells_the_last_changes_of_the_instance_alone(snapshot: Snapshot) -> None:
    def event(instance: str, message: str) -> dict[str, Any]:
        return {"at": "2026-10-14T10:00:00Z", "message": message, "details": {"instance": instance}}

    status = told(replace(snapshot, virtual_servers=(), pair=PAIR))
    events = [event("VI_2", f"VI_2 number {number}") for number in range(7)] + [event("VI_1", "another")]

    def answering(asked: Asked) -> tuple[int, Any]:
        if asked.plain.startswith("/api/v1/virtual_servers"):
            return 404, {"error": "There is none."}
        return 200, {"events": events} if asked.plain == "/api/v1/events" else status

    out, err = io.StringIO(), io.StringIO()
    with standing_in(answering) as server, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(["explain", "VI_2", "--json", "--url", server.url]) == 0
        assert main(["explain", "VI_2", "web1", "--url", server.url]) == 2
        assert main(["explain", "VI_7", "--url", server.url]) == 2
    document = json.loads(out.getvalue())
    (last,) = [each["sentences"] for each in document["sections"] if each["title"] == "Last changes"]
    assert [each.partition(": ")[2] for each in last] == [f"VI_2 number {number}." for number in (6, 5, 4, 3, 2)]
    assert "VI_2 is a VRRP instance and has no real servers" in err.getvalue()
    assert "there is no virtual server 'VI_7'; did you mean VI_" in err.getvalue()
