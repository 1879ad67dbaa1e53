"""The shapes of all JSON answers: what the code that makes them is checked against, and what openapi.json is made of.

Every name here is public: add freely, change none. Beside a type stand words of JSON Schema, and descriptions.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict


class Fact(NamedTuple):
    """A word of JSON Schema that a type has none for."""

    name: str
    value: str | int


Moment = Annotated[str, Fact("format", "date-time")]
Count = Annotated[int, Fact("minimum", 0)]
Share = Annotated[float, Fact("minimum", 0), Fact("maximum", 100)]
Seconds = Annotated[float, Fact("minimum", 0)]
HealthWord = Literal["up", "down", "unknown"]
AdminWord = Literal["enabled", "draining", "drained", "disabled"]
Method = Literal["nat", "dr", "tunnel", "local", "bypass"]
PoolWord = Literal["up", "degraded", "panic", "down"]


class Failure(TypedDict):
    """What went wrong, one sentence for each fault."""

    error: str


class Index(TypedDict):
    """What there is to read."""

    name: str
    paths: Sequence[str]


class Alive(TypedDict):
    """The process answers."""

    status: Literal["ok"]


class Readiness(TypedDict):
    """Whether every check has its first verdict and the table is in sync, and what is awaited."""

    ready: bool
    reasons: Sequence[str]
    error: NotRequired[str]


class Config(TypedDict):
    """The configuration in force."""

    path: str
    sha256: str
    loaded_at: Moment
    refused: Annotated[str | None, "why the newest reload was refused, null where it was not"]
    max_reload_change: Annotated[Share, "percent of the live weight that the next reload may take out"]


class Table(TypedDict):
    """How true the kernel's table is."""

    backend: str
    in_sync: bool
    last_resync_at: Moment | None
    drift_repaired_total: Count
    operations_total: Count
    failed_operations_total: Count
    failing: Annotated[Sequence[str], "the operations that fail now"]
    ipvs_version: Annotated[str | None, "null before the first look at the kernel's table"]
    connection_slots: Annotated[Count | None, "the size of the kernel's table of connections"]


class Sockets(TypedDict):
    """The sockets of probes."""

    open: Count
    kept: Count


class Probing(TypedDict):
    """The prober's own account."""

    probes: Count
    in_flight: Count
    late_total: Count
    unsent_total: Count
    void_total: Count
    waiting: Count
    sockets: Sockets


class State(TypedDict):
    """What outlives a restart."""

    path: Annotated[str | None, "null: nowhere"]
    saved_at: Moment | None
    failing: Annotated[str | None, "why it cannot be saved"]


class Journal(TypedDict):
    """The account of events."""

    path: Annotated[str | None, "null: in memory"]
    events_total: Count
    dropped_total: Count
    failing: Annotated[str | None, "why they cannot be written"]


class Notifier(TypedDict):
    """The messages of one notifier."""

    name: str
    type: str
    waiting: Count
    sent_total: Count
    failed_total: Count
    dropped_total: Count
    failing: str | None


class Override(TypedDict):
    """An operator's word on real servers."""

    what: Annotated[str, "drain, disable or weight 5"]
    scope: Annotated[str, "in words; the next three are its parts"]
    virtual_server: str | None
    address: str
    port: int | None
    admin: Literal["drain", "disable"] | None
    weight: Count | None
    remove: bool
    deadline: Moment | None
    who: str
    why: str
    at: Moment
    expires_at: Moment | None


class Removal(TypedDict):
    """A real server of the file that was removed at run time."""

    virtual_server: str
    address: str
    who: str
    why: str
    at: Moment


class Addition(Removal):
    """A real server that was added at run time."""

    settings: NotRequired[Annotated[str, "as they were given, for those who may give commands"]]


class Orders(TypedDict):
    """What operators changed at run time."""

    overrides: list[Override]
    added: list[Addition]
    removed: list[Removal]


class DirectorHead(TypedDict):
    """The director itself."""

    name: str
    version: str
    started_at: Moment
    config: Config
    table: Table
    probing: Probing
    warnings: Sequence[str]
    state: State
    journal: Journal
    notifiers: list[Notifier]


class Director(DirectorHead):
    """The director itself."""

    overrides: list[Override]
    added: list[Addition]


class Tunnel(TypedDict):
    """How packets to a real server are wrapped."""

    type: Literal["ipip", "gue", "gre"]
    port: Count
    checksum: str


class Persistence(TypedDict):
    """How long one client stays with one real server."""

    timeout: Count
    prefix: int
    engine: str


class Quorum(TypedDict):
    """The live weight that is wanted, and that there is."""

    up: Count
    hysteresis: Count
    live_weight: Count
    met: bool


class Connections(TypedDict):
    """Open connections."""

    active: Count
    inactive: Count
    persistent: Count


class Stats(TypedDict):
    """Counters of the kernel."""

    connections: Count
    in_packets: Count
    out_packets: Count
    in_bytes: Count
    out_bytes: Count


class Rates(TypedDict):
    """The kernel's estimates."""

    connections_per_second: Count
    in_packets_per_second: Count
    out_packets_per_second: Count
    in_bytes_per_second: Count
    out_bytes_per_second: Count


class Used(TypedDict):
    """What a row of the kernel's carries."""

    connections: Connections
    stats: Stats
    rates: Rates


class Weight(TypedDict):
    """A real server's weight, and how it came to be."""

    configured: Count
    effective: Annotated[Count | None, "null: no row"]
    kernel: Annotated[Count | None, "null: no row"]
    chain: Sequence[str]


class LastProbe(TypedDict):
    """The latest probe."""

    at: Moment
    passed: bool
    reason: str
    seconds: Seconds


class Evidence(TypedDict):
    """What a probe saw."""

    sent: str
    received: str
    peer: str
    certificate: str


class SeenProbe(TypedDict):
    """A probe that is remembered."""

    at: Moment
    reason: str
    seconds: Seconds
    evidence: Evidence | None


class Schedule(TypedDict):
    """When a check is probed, in seconds, and how many results in a row turn it."""

    interval: Seconds
    fast_interval: Seconds
    down_interval: Seconds
    timeout: Seconds
    rise: Count
    fall: Count


class FlapDamping(TypedDict):
    """When a server that turns too often is held down, and for how many seconds."""

    changes: Count
    window: Seconds
    hold: Seconds
    longest: Seconds


class Feedback(TypedDict):
    """What a server said of itself."""

    weight: Count | None
    percent: bool
    admin: Literal["ready", "drain", "maint"] | None


class Policy(TypedDict):
    """What decides over a real server beside its checks, as in the file."""

    require: Literal["all", "any"]
    on_failure: Literal["quiesce", "remove"]
    initial: Literal["wait", "trust"]
    slow_start: Seconds
    flap_damping: FlapDamping | None


class Turns(TypedDict):
    """What is remembered of a real server's turns."""

    turned_at: Moment | None
    recovered_at: Moment | None
    recent: list[Moment]
    level: Count
    held_until: Moment | None


class Check(TypedDict):
    """One check on one real server."""

    name: str
    type: str
    target: Annotated[str, "where it is probed, in words"]
    health: HealthWord
    last: LastProbe | None
    next_at: Annotated[Moment | None, "when the next probe is due, or was where it is under way"]
    streak: Count
    passing: Annotated[bool, "the results of the streak passed"]
    recent: Annotated[str, Fact("pattern", "^[01]{0,60}$"), "the latest results, the newest last: 1 passed, 0 failed"]
    schedule: Schedule | None
    passed_total: Count
    failed_total: Count
    unsent_total: Count
    unsent_reason: str | None
    feedback: Feedback | None
    warning: str | None
    last_failure: SeenProbe | None
    last_pass: SeenProbe | None


class RealServer(Used):
    """One real server, or one sorry server."""

    name: str
    address: str
    method: Method
    tunnel: Tunnel | None
    origin: Literal["file", "runtime"]
    health: HealthWord
    admin: AdminWord
    overrides: list[Override]
    since: Moment
    held_until: Moment | None
    pooled_but_down: bool
    ramp: Annotated[float | None, "the share of its weight that slow start lets it have, null where it has all"]
    weight: Weight
    policy: Policy
    turns: Turns
    checks: list[Check]


class RowWeight(TypedDict):
    """The weight of a row that no configuration has."""

    kernel: Annotated[Count | None, "null: no row"]


class Leaving(Used):
    """A row that stays with weight 0 for its connections' sake."""

    address: str
    until: Moment
    method: Method | None
    tunnel: Tunnel | None
    weight: RowWeight


class VirtualServerHead(Used):
    """One virtual server, without its real servers."""

    name: str
    address: str
    protocol: str
    family: Literal["inet", "inet6"]
    fwmark: Count | None
    scheduler: str
    scheduler_flags: list[str]
    method: Method
    tunnel: Tunnel | None
    persistence: Persistence | None
    one_packet: bool
    in_table: Annotated[bool, "the kernel has the service"]
    state: PoolWord
    since: Annotated[Moment, "when it came into its state"]
    quorum: Quorum
    panic: Annotated[Share, "the panic floor in percent"]
    sorry_server_active: bool
    leaving: list[Leaving]
    removed: list[Removal]


class VirtualServer(VirtualServerHead):
    """One virtual server with its pool."""

    sorry_servers: list[RealServer]
    real_servers: list[RealServer]


class VirtualServers(TypedDict):
    """All pools."""

    virtual_servers: list[VirtualServer]


class Priority(TypedDict):
    """The priority of an instance, and what it came to by all that it follows."""

    configured: Count
    effective: Count


class Track(TypedDict):
    """Something that a priority follows."""

    kind: Annotated[str, "interface, virtual_server or check"]
    name: str
    up: bool
    weight: Annotated[int | None, "null: FAULT while it is down"]
    reason: str | None


class Adverts(TypedDict):
    """VRRP packets since the instance was started."""

    sent_total: Count
    received_total: Count
    dropped_total: Annotated[dict[str, Count], "by reason"]


class HandedOver(TypedDict):
    """An operator's order that an instance is left to another director."""

    by: Annotated[str | None, "null: not known"]
    at: Moment


class VrrpInstance(TypedDict):
    """One virtual router."""

    name: str
    state: Literal["INIT", "BACKUP", "MASTER", "FAULT"]
    priority: Priority
    router_id: Count
    interface: str
    addresses: Sequence[str]
    since: Moment
    master: Annotated[str | None, "the current master's address, null while none is known"]
    master_priority: Count | None
    version: Annotated[Count, "of the protocol: 2 or 3"]
    interval: Annotated[Seconds, "between adverts, as the master has it"]
    faults: Annotated[Sequence[str], "why it may not be master"]
    tracked: list[Track]
    yielded: Annotated[bool, "an operator handed it over"]
    handed_over: Annotated[HandedOver | None, "that it was; null where it is not"]
    split_brain: Annotated[str | None, "how a second master showed, null where there is none"]
    group: str | None
    became_master_total: Count
    adverts: Adverts


class SyncDaemon(TypedDict):
    """One of IPVS's connection sync daemons."""

    role: Literal["master", "backup"]
    interface: str
    id: Count
    running: bool
    wanted: bool
    last_packet_at: Annotated[Moment | None, "when the peer's packets were last seen; null: never, or not its role"]
    problem: str | None


class Lateness(TypedDict):
    """By how many seconds adverts of the last minute went out late."""

    median: Seconds
    p99: Seconds
    worst: Seconds


class Speaker(TypedDict):
    """The process that speaks VRRP."""

    running: bool
    pid: Count | None
    since: Moment | None
    restarts_total: Count
    real_time: bool
    memory_locked: bool
    lateness: Lateness
    problem: str | None


class Status(TypedDict):
    """Everything at one moment."""

    taken_at: Moment
    ready: bool
    director: Director
    virtual_servers: list[VirtualServer]
    vrrp: list[VrrpInstance]
    connection_sync: list[SyncDaemon]
    speaker: Annotated[Speaker | None, "null where there is no VRRP to speak"]


class PoolMember(TypedDict):
    """One real server of one virtual server, with what those who wait for a drain look at."""

    virtual_server: str
    real_server: str
    address: str
    origin: Literal["file", "runtime"]
    health: HealthWord
    admin: AdminWord
    since: Moment
    weight: Weight
    connections: Connections
    overrides: list[Override]
    drained: Annotated[bool, "it is kept out, and its connections have ended or its row is gone"]


class LeavingMember(Leaving):
    """A row of one virtual server that stays for its connections' sake."""

    virtual_server: str


class RealServers(TypedDict):
    """The servers that were asked for."""

    real_servers: list[PoolMember]
    sorry_servers: list[PoolMember]
    leaving: list[LeavingMember]


class Event(TypedDict):
    """What happened at one moment."""

    id: Count
    at: Moment
    name: str
    level: Literal["info", "warning", "error"]
    message: str
    virtual_server: str | None
    real_server: str | None
    details: Annotated[dict[str, Any], "the event's own fields"]


class Events(TypedDict):
    """A page of events, by id."""

    events: list[Event]
    last_id: Annotated[Count, "the newest id that there is"]
    next: Annotated[str | None, "where the page of newer ones is, null where there are none yet"]
    previous: Annotated[str | None, "where the page of older ones is, null where there are none"]


class Gap(TypedDict):
    """The data of a stream's `event: gap`: what happened after one id and before the other is no longer kept."""

    after: Count
    oldest: Annotated[Count | None, "null: no event is kept"]


class Concerned(TypedDict):
    """A real server that a change is about."""

    virtual_server: str
    real_server: str


class Changed(TypedDict):
    """What came of a change."""

    result: Literal["done", "unknown", "refused"]
    message: str
    servers: list[Concerned]
    warnings: Sequence[str]
    error: NotRequired[str]


class Reloaded(TypedDict):
    """What came of a reload; `accepted` is null where it has only begun."""

    accepted: bool | None
    message: str
    changes: Sequence[str]
    error: NotRequired[str]


class FailedOver(TypedDict):
    """What came of an order to hand an instance over, or to take it back."""

    result: Literal["done", "unknown", "refused"]
    message: str
    differences: Annotated[Sequence[str], "by what clients would fare worse with the director that is to be master"]
    notes: Annotated[Sequence[str], "other differences, and what else an operator should know"]
    error: NotRequired[str]
