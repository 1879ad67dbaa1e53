"""The families of real servers."""

from collections.abc import Iterator

from healthlb.api.exposition import Family, Measure, columns, labels, lines, measures
from healthlb.api.metrics.rows import LOCAL, REMOTE, local, remote, usage_measures
from healthlb.model.counters import Usage
from healthlb.model.health import Health
from healthlb.model.snapshot import RealServerStatus, Snapshot

_NAMED = ("virtual_server", "real_server")
_ROW = (*_NAMED, *LOCAL, *REMOTE)

_SERVER: tuple[Measure[RealServerStatus], ...] = measures(
    "healthlb_real_server_",
    _NAMED,
    (
        "up",
        "gauge",
        "1 when the verdict is up; up and down are both 0 before the first.",
        lambda server: server.health is Health.UP,
    ),
    ("down", "gauge", "1 when the verdict is down.", lambda server: server.health is Health.DOWN),
    (
        "drained",
        "gauge",
        "1 when an operator or the server itself keeps new connections away.",
        lambda server: server.admin != "enabled",
    ),
    (
        "overridden",
        "gauge",
        "1 when an operator's override covers the server.",
        lambda server: bool(server.overrides),
    ),
    (
        "pooled_but_down",
        "gauge",
        "1 when the panic floor keeps the failed server in.",
        lambda server: server.pooled_but_down,
    ),
    (
        "held",
        "gauge",
        "1 when the server is held down for its flapping.",
        lambda server: server.held_until is not None,
    ),
    ("since_timestamp_seconds", "gauge", "When the verdict last changed.", lambda server: server.since),
    (
        "weight_configured",
        "gauge",
        "The weight in the configuration.",
        lambda server: server.weight.configured,
    ),
    (
        "weight_effective",
        "gauge",
        "The weight that the policy wants; absent: no row.",
        lambda server: server.weight.effective,
    ),
)

_ROW_WEIGHT = Family("healthlb_real_server_weight_kernel", "gauge", "The weight of the kernel's row.", _ROW)
_USAGE = usage_measures("healthlb_real_server_", "real server", _ROW)

FAMILIES = (*(family for family, _ in _SERVER), _ROW_WEIGHT, *(family for family, _ in _USAGE))


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of each real server, and of its row where there is one."""
    texts: list[str] = []
    servers: list[RealServerStatus] = []
    weight_texts: list[str] = []
    weights: list[int] = []
    row_texts: list[str] = []
    rows: list[Usage] = []
    for one in snapshot.virtual_servers:
        service = local(one.service.key)
        for server in one.real_servers:
            name = {"virtual_server": one.name, "real_server": server.name}
            texts.append(labels(**name))
            servers.append(server)
            weight, usage = server.weight.kernel, server.usage
            if weight is not None or usage is not None:
                text = labels(**name, **service, **remote(server.address))
                if weight is not None:
                    weight_texts.append(text)
                    weights.append(weight)
                if usage is not None:
                    row_texts.append(text)
                    rows.append(usage)
            yield ""
    yield from columns(_SERVER, texts, servers)
    yield from lines(_ROW_WEIGHT, zip(weight_texts, weights, strict=True))
    yield from columns(_USAGE, row_texts, rows)
