"""The families of the pair of directors: VRRP instances, what they follow, connection sync and the speaker."""

from collections.abc import Iterator

from healthlb.api.exposition import Family, Measure, columns, labels, lines, measures
from healthlb.api.pair import pair_of
from healthlb.core.vrrp.receive import DROPS
from healthlb.model.snapshot import Snapshot
from healthlb.model.vrrp_status import InstanceStatus, SpeakerStatus, SyncStatus

_INSTANCE: tuple[Measure[InstanceStatus], ...] = measures(
    "healthlb_vrrp_",
    ("vrrp_instance", "interface"),
    (
        "master",
        "gauge",
        "1 when the instance is MASTER; all three are 0 before it starts.",
        lambda i: i.state == "MASTER",
    ),
    ("backup", "gauge", "1 when the instance is BACKUP.", lambda i: i.state == "BACKUP"),
    ("fault", "gauge", "1 when the instance is in FAULT and may not be master.", lambda i: i.state == "FAULT"),
    ("since_timestamp_seconds", "gauge", "When the instance came into its state.", lambda i: i.since),
    ("priority_configured", "gauge", "The priority in the configuration.", lambda i: i.configured_priority),
    ("priority_effective", "gauge", "The priority after all that it follows.", lambda i: i.effective_priority),
    ("split_brain", "gauge", "1 when there is a second master beside us.", lambda i: bool(i.split_brain)),
    ("yielded", "gauge", "1 when an operator handed the instance over.", lambda i: i.yielded),
    ("became_master_total", "counter", "How often the instance became MASTER.", lambda i: i.became_master_total),
    ("adverts_sent_total", "counter", "Adverts that were sent.", lambda i: i.adverts_sent_total),
    ("adverts_received_total", "counter", "Adverts that were received and heeded.", lambda i: i.adverts_received_total),
)
_DROPPED = Family(
    "healthlb_vrrp_adverts_dropped_total",
    "counter",
    "Packets that were no good, by reason.",
    ("vrrp_instance", "interface", "reason"),
)
_TRACKED = Family(
    "healthlb_vrrp_tracked_up",
    "gauge",
    "1 when what the priority follows is up.",
    ("vrrp_instance", "kind", "tracked"),
)
_SYNC: tuple[Measure[SyncStatus], ...] = measures(
    "healthlb_connection_sync_",
    ("role", "interface"),
    ("wanted", "gauge", "1 when the daemon of the role is meant to run.", lambda daemon: daemon.wanted),
    ("running", "gauge", "1 when the kernel runs the daemon of the role.", lambda daemon: daemon.running),
    (
        "last_packet_timestamp_seconds",
        "gauge",
        "When the peer's packets were last seen; absent: never, or not the role's.",
        lambda daemon: daemon.last_packet_at,
    ),
)
_SPEAKER: tuple[Measure[SpeakerStatus], ...] = measures(
    "healthlb_speaker_",
    (),
    ("running", "gauge", "1 when the process that speaks VRRP runs.", lambda speaker: speaker.running),
    ("restarts_total", "counter", "How often it was started again.", lambda speaker: speaker.restarts_total),
    ("real_time", "gauge", "1 when it runs before all ordinary processes.", lambda speaker: speaker.real_time),
    ("memory_locked", "gauge", "1 when it cannot be swapped out.", lambda speaker: speaker.memory_locked),
    (
        "advert_lateness_median_seconds",
        "gauge",
        "By how much adverts of the last minute went out late, the median.",
        lambda speaker: speaker.lateness[0],
    ),
    (
        "advert_lateness_p99_seconds",
        "gauge",
        "The same, the 99th percentile.",
        lambda speaker: speaker.lateness[1],
    ),
    ("advert_lateness_worst_seconds", "gauge", "The same, the worst.", lambda speaker: speaker.lateness[2]),
)

FAMILIES = (
    *(family for family, _ in _INSTANCE),
    _DROPPED,
    _TRACKED,
    *(family for family, _ in _SYNC),
    *(family for family, _ in _SPEAKER),
)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of the pair."""
    pair = pair_of(snapshot)
    instances, daemons = list(pair.instances), list(pair.sync)
    yield from columns(
        _INSTANCE, [labels(vrrp_instance=each.name, interface=each.interface) for each in instances], instances
    )
    yield from lines(
        _DROPPED,
        (
            (labels(vrrp_instance=each.name, interface=each.interface, reason=reason), each.dropped.get(reason, 0))
            for each in instances
            for reason in DROPS
        ),
    )
    yield from lines(
        _TRACKED,
        (
            (labels(vrrp_instance=each.name, kind=one.kind, tracked=one.name), one.up)
            for each in instances
            for one in each.tracked
        ),
    )
    yield from columns(_SYNC, [labels(role=each.role, interface=each.interface) for each in daemons], daemons)
    speakers = [] if pair.speaker is None else [pair.speaker]
    yield from columns(_SPEAKER, [""] * len(speakers), speakers)
