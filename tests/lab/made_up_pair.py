"""A pair of directors as one of them may know it, for those who show it."""

from dataclasses import replace

from healthlb.model.vrrp_status import InstanceStatus, PairStatus, SpeakerStatus, SyncStatus, TrackStatus

MOMENT = 1_792_000_000.0

MASTER = InstanceStatus(
    "VI_1",
    "MASTER",
    "eth0",
    51,
    3,
    150,
    90,
    ("198.51.100.100/24", "198.51.100.101/24"),
    MOMENT - 4000,
    "198.51.100.2",
    90,
    tracked=(
        TrackStatus("interface", "eth1", True, None),
        TrackStatus("virtual_server", "shop", False, -60, "quorum 1 LOST"),
    ),
    group="both",
    became_master_total=2,
    adverts_sent_total=4000,
    adverts_received_total=7,
    dropped={"checksum": 3},
)
BACKUP = replace(
    MASTER,
    name="VI_2",
    state="BACKUP",
    interface="eth1",
    router_id=52,
    version=2,
    effective_priority=150,
    addresses=("203.0.113.100/24",),
    master="203.0.113.3",
    master_priority=200,
    tracked=(),
)
SPEAKER = SpeakerStatus(True, 812, MOMENT - 5000, 1, True, True, (0.00001, 0.0002, 0.0031))
SYNC = (
    SyncStatus("master", "eth1", 51, True),
    SyncStatus("backup", "eth1", 51, True, last_packet_at=MOMENT - 3),
)
PAIR = PairStatus((MASTER, BACKUP), SYNC, SPEAKER)
"""All is well, but that the pool `shop` has lost its quorum, which the priority of VI_1 follows."""

FAULT = replace(MASTER, state="FAULT", master="", master_priority=0, faults=("eth1 is down",))
SPLIT = replace(MASTER, split_brain="198.51.100.3 adverts priority 80 although we are MASTER")
TROUBLE = PairStatus(
    (SPLIT, replace(FAULT, name="VI_2"), replace(BACKUP, name="VI_3", yielded=True)),
    (replace(SYNC[0], running=False, problem="no such device"), replace(SYNC[1], running=False)),
    replace(SPEAKER, running=False, problem="it was killed by signal 9"),
)
"""All that can be wrong at once."""
