"""The families of virtual servers."""

from collections.abc import Iterator

from healthlb.api.exposition import Measure, columns, labels, lines, measures
from healthlb.api.metrics.rows import LOCAL, local, usage_measures
from healthlb.model.counters import Usage
from healthlb.model.health import Health
from healthlb.model.snapshot import RealServerStatus, Snapshot, VirtualServerStatus

_NAMED = ("virtual_server",)
_PAUSE = 256
"""Real servers after which the renderer may look at the clock."""

_POOL: tuple[Measure[VirtualServerStatus], ...] = measures(
    "healthlb_virtual_server_",
    _NAMED,
    ("up", "gauge", "1 unless the virtual server's state is down.", lambda one: one.state != "down"),
    ("degraded", "gauge", "1 when some of the pool is out.", lambda one: one.state == "degraded"),
    (
        "panic",
        "gauge",
        "1 when failed servers are kept in by the panic floor.",
        lambda one: one.state == "panic",
    ),
    ("since_timestamp_seconds", "gauge", "When the virtual server came into its state.", lambda one: one.since),
    ("quorum_met", "gauge", "1 when the live weight meets the quorum.", lambda one: one.quorum.met),
    ("quorum_weight", "gauge", "The live weight that the quorum wants.", lambda one: one.quorum.wanted.up),
    ("live_weight", "gauge", "The weight of the servers that are up.", lambda one: one.quorum.live_weight),
    (
        "sorry_server_active",
        "gauge",
        "1 when the sorry server takes the traffic.",
        lambda one: one.sorry_server_active,
    ),
    (
        "sorry_servers_up",
        "gauge",
        "Sorry servers that are up.",
        lambda one: sum(server.health is Health.UP for server in one.sorry_servers),
    ),
    ("leaving", "gauge", "Rows that stay for their connections' sake only.", lambda one: len(one.leaving)),
    ("real_servers", "gauge", "Real servers in the pool.", lambda one: len(one.real_servers)),
)

_SUMS: tuple[Measure[RealServerStatus], ...] = measures(
    "healthlb_virtual_server_",
    _NAMED,
    (
        "real_servers_up",
        "gauge",
        "Real servers in the pool that are up.",
        lambda server: server.health is Health.UP,
    ),
    (
        "real_servers_down",
        "gauge",
        "Real servers in the pool that are down; the rest has no verdict yet.",
        lambda server: server.health is Health.DOWN,
    ),
    (
        "real_servers_drained",
        "gauge",
        "Real servers from which an operator or the server itself keeps new connections away.",
        lambda server: server.admin != "enabled",
    ),
    (
        "real_servers_overridden",
        "gauge",
        "Real servers that an operator's override covers.",
        lambda server: bool(server.overrides),
    ),
    (
        "real_servers_held",
        "gauge",
        "Real servers that are held down for their flapping.",
        lambda server: server.held_until is not None,
    ),
    (
        "real_servers_pooled_but_down",
        "gauge",
        "Failed real servers that the panic floor keeps in.",
        lambda server: server.pooled_but_down,
    ),
    (
        "configured_weight",
        "gauge",
        "The configured weight of all real servers.",
        lambda server: server.weight.configured,
    ),
    (
        "checks_warning",
        "gauge",
        "Checks of real servers that warn; the status says of what.",
        lambda server: sum(bool(check.warning) for check in server.checks),
    ),
    (
        "checks_unsent",
        "gauge",
        "Checks of real servers whose latest probe the director itself could not send.",
        lambda server: sum(bool(check.unsent_reason) for check in server.checks),
    ),
)
"""What is summed up over the real servers of a pool, and is there although they have no series of their own."""

_USAGE = usage_measures("healthlb_virtual_server_", "virtual server", (*_NAMED, *LOCAL))

FAMILIES = tuple(family for family, _ in (*_POOL, *_SUMS, *_USAGE))


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of each virtual server, and of its row where there is one."""
    # Labels and what they label go in lists side by side: strings are nothing to the garbage collector, but 10,000
    # tuples make it hold the loop for milliseconds.
    texts: list[str] = []
    row_texts: list[str] = []
    rows: list[Usage] = []
    for one in snapshot.virtual_servers:
        texts.append(labels(virtual_server=one.name))
        if one.usage is not None:
            row_texts.append(labels(virtual_server=one.name, **local(one.service.key)))
            rows.append(one.usage)
        yield ""
    yield from columns(_POOL, texts, list(snapshot.virtual_servers))
    for family, number in _SUMS:
        sums: list[int] = []
        for one in snapshot.virtual_servers:
            total = 0
            for position, server in enumerate(one.real_servers):
                total += int(number(server) or 0)
                if not position % _PAUSE:
                    yield ""
            sums.append(total)
        yield from lines(family, zip(texts, sums, strict=True))
    yield from columns(_USAGE, row_texts, rows)
