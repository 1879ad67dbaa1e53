"""The shapes of what the page's script lives on. They belong to the page and may change with it."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from healthlb.api.shapes import Count, Fact, Moment, PoolWord, RealServer, Share

Row = Annotated[
    list[Any],
    Fact("minItems", 10),
    Fact("maxItems", 10),
    "name, address, health, admin, configured, effective and kernel weight, since, flags, reason",
]


class OverviewNotifier(TypedDict):
    """The messages of one notifier."""

    name: str
    failing: str | None
    waiting: Count


class OverviewInstance(TypedDict):
    """One VRRP instance."""

    name: str
    state: Literal["INIT", "BACKUP", "MASTER", "FAULT"]
    since: Annotated[float, "UNIX seconds"]
    priority: Count
    effective: Count
    interface: str
    router_id: Count
    addresses: list[str]
    master: str | None
    trouble: str | None
    notes: list[str]


class OverviewDirector(TypedDict):
    """The director itself."""

    name: str
    version: str
    started_at: Moment
    ready: bool
    in_sync: bool
    last_resync_at: Moment | None
    failing: list[str]
    refused: str | None
    warnings: list[str]
    problems: list[str]
    backend: str
    probes: Count
    late_total: Count
    loop_lag_p99: float | None
    role: str | None
    vrrp: list[OverviewInstance]
    state_failing: str | None
    journal_failing: str | None
    notifiers: list[OverviewNotifier]
    overrides: Count


class PoolCounts(TypedDict):
    """How many virtual servers are in each state."""

    up: Count
    degraded: Count
    panic: Count
    down: Count


class ServerCounts(TypedDict):
    """How many real servers are in each state."""

    up: Count
    down: Count
    unknown: Count
    drained: Count


class Counts(TypedDict):
    """The counts of the page."""

    virtual_servers: PoolCounts
    real_servers: ServerCounts


class Headline(TypedDict):
    """What the page says first."""

    problems: Count
    level: Literal["ok", "warning", "bad"]
    title: str


class OverviewQuorum(TypedDict):
    """The quorum."""

    up: Count
    met: bool


class PoolSums(TypedDict):
    """What of a virtual server changes all the time: connections, and what comes and goes in a second."""

    active: Count
    inactive: Count
    cps: Count
    in_bps: Count
    out_bps: Count


class PoolHead(PoolSums):
    """One virtual server without its real servers."""

    name: str
    address: str
    protocol: str
    scheduler: str
    method: str
    state: PoolWord
    problem: Annotated[bool, "somebody has to look after it, whatever its servers are"]
    since: Annotated[float, "UNIX seconds"]
    live: Count
    configured: Count
    quorum: OverviewQuorum
    sorry: bool
    panic: Share


class OverviewPool(PoolHead):
    """One virtual server."""

    real_servers: list[Row]


class OverviewHead(TypedDict):
    """All that the page draws but the virtual servers."""

    id: Count
    generation: str
    taken_at: Moment
    headline: Headline
    director: OverviewDirector
    counts: Counts


class Overview(OverviewHead):
    """All that the page draws."""

    virtual_servers: list[OverviewPool]


RowsHead = TypedDict(
    "RowsHead", {"generation": str, "taken_at": Moment, "virtual_server": str, "from": Count, "total": Count}
)
RowsHead.__doc__ = "Which rows are told of."


class Rows(RowsHead):
    """What changes with every probe."""

    rows: list[
        Annotated[
            list[Any],
            Fact("minItems", 10),
            Fact("maxItems", 10),
            "recent, seconds, reason, active, inactive, connections, bytes in and out per second, at, name",
        ]
    ]
    real_servers: NotRequired[
        Annotated[list[RealServer], "where a real server was asked for: those that have its name, as in the status"]
    ]


Samples = list[float | None]


class PoolHistory(TypedDict):
    """The last hour of one virtual server, oldest first, null where there was no sample."""

    live_weight: Samples
    active: Samples
    connections_per_second: Samples
    in_bytes_per_second: Samples
    out_bytes_per_second: Samples


class History(TypedDict):
    """The last hour."""

    step: Annotated[float, "seconds"]
    end: Moment | None
    virtual_servers: dict[str, PoolHistory]
