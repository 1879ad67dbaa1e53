"""`/metrics`: the snapshot as Prometheus families, declared as data.

State is never a label value: a state that matters has its own 0/1 gauge, so an alert is a comparison and a series does
not change its identity at the worst moment. Series of kernel rows carry node_exporter's label names and spellings
(`local_address, local_port, remote_address, remote_port, proto, local_mark` of `node_ipvs_*`), so the two join.
"""

from collections.abc import Callable, Iterator

from healthlb.api.exposition import Family, Sample, buckets, labels, lines
from healthlb.model.counters import Usage
from healthlb.model.health import Health
from healthlb.model.snapshot import CheckStatus, NotifierStatus, RealServerStatus, Snapshot, VirtualServerStatus
from healthlb.model.table import ServiceKey

_Number = int | float | None

_DIRECTOR: tuple[tuple[Family, Callable[[Snapshot], _Number]], ...] = (
    (
        Family("healthlb_ready", "gauge", "1 when every check has a verdict and the table is in sync."),
        lambda snapshot: snapshot.ready,
    ),
    (
        Family("healthlb_start_timestamp_seconds", "gauge", "When the director started, in UNIX seconds."),
        lambda snapshot: snapshot.director.started_at,
    ),
    (
        Family("healthlb_config_loaded_timestamp_seconds", "gauge", "When the configuration in force was loaded."),
        lambda snapshot: snapshot.director.config.loaded_at,
    ),
    (
        Family("healthlb_config_refused", "gauge", "1 when the newest reload was refused and the old one stays."),
        lambda snapshot: snapshot.director.config.refused is not None,
    ),
    (
        Family("healthlb_warnings", "gauge", "Warnings about this machine or the configuration; see the status."),
        lambda snapshot: len(snapshot.director.warnings),
    ),
    (
        Family("healthlb_overrides", "gauge", "Operators' overrides of real servers that are in force."),
        lambda snapshot: len(snapshot.director.overrides),
    ),
    (
        Family("healthlb_state_failing", "gauge", "1 when what is to outlive a restart cannot be saved."),
        lambda snapshot: bool(snapshot.director.state.failing),
    ),
    (
        Family("healthlb_state_saved_timestamp_seconds", "gauge", "When it was last saved; absent: not yet."),
        lambda snapshot: snapshot.director.state.saved_at,
    ),
    (
        Family("healthlb_journal_events_total", "counter", "Events of this director since it started."),
        lambda snapshot: snapshot.director.journal.events_total,
    ),
    (
        Family("healthlb_journal_dropped_events_total", "counter", "Events that the journal could not keep."),
        lambda snapshot: snapshot.director.journal.dropped_total,
    ),
    (
        Family("healthlb_journal_failing", "gauge", "1 when the journal cannot be written."),
        lambda snapshot: bool(snapshot.director.journal.failing),
    ),
    (
        Family("healthlb_table_in_sync", "gauge", "1 when the kernel's table is what the probes say."),
        lambda snapshot: snapshot.director.table.in_sync,
    ),
    (
        Family("healthlb_table_last_resync_timestamp_seconds", "gauge", "When the whole table was last compared."),
        lambda snapshot: snapshot.director.table.last_resync_at,
    ),
    (
        Family("healthlb_table_drift_repaired_total", "counter", "Rows that someone else changed and we put right."),
        lambda snapshot: snapshot.director.table.drift_repaired_total,
    ),
    (
        Family("healthlb_table_operations_total", "counter", "Operations that were sent to the kernel."),
        lambda snapshot: snapshot.director.table.operations_total,
    ),
    (
        Family("healthlb_table_failed_operations_total", "counter", "Operations that the kernel refused."),
        lambda snapshot: snapshot.director.table.failed_operations_total,
    ),
    (
        Family("healthlb_table_failing_operations", "gauge", "Operations that fail now and are tried again."),
        lambda snapshot: len(snapshot.director.table.failing),
    ),
    (
        Family("healthlb_probes", "gauge", "Distinct probes; a check shared by many virtual servers is one."),
        lambda snapshot: snapshot.director.probing.probes,
    ),
    (
        Family("healthlb_probes_in_flight", "gauge", "Probes under way."),
        lambda snapshot: snapshot.director.probing.in_flight,
    ),
    (
        Family("healthlb_probes_late_total", "counter", "Probes that started later than their tick."),
        lambda snapshot: snapshot.director.probing.late_total,
    ),
    (
        Family("healthlb_probes_unsent_total", "counter", "Probes that the director itself could not send."),
        lambda snapshot: snapshot.director.probing.unsent_total,
    ),
    (
        Family("healthlb_probes_void_total", "counter", "Probes without a verdict because the director was late."),
        lambda snapshot: snapshot.director.probing.void_total,
    ),
    (
        Family("healthlb_probes_waiting", "gauge", "Probes that are due and wait for a place, a socket or a port."),
        lambda snapshot: snapshot.director.probing.waiting,
    ),
    (
        Family("healthlb_probe_sockets_open", "gauge", "Sockets of probes, idle ones included."),
        lambda snapshot: snapshot.director.probing.sockets.open,
    ),
    (
        Family("healthlb_probe_sockets_kept", "gauge", "Sockets of probes that are kept for the next ones."),
        lambda snapshot: snapshot.director.probing.sockets.kept,
    ),
    (
        Family("healthlb_probe_sockets_opened_total", "counter", "Sockets that were made for probes."),
        lambda snapshot: snapshot.director.probing.sockets.opened_total,
    ),
    (
        Family("healthlb_probe_sockets_reset_total", "counter", "Sockets that were reset to be used again."),
        lambda snapshot: snapshot.director.probing.sockets.reset_total,
    ),
    (
        Family("healthlb_probe_socket_waits_total", "counter", "Probes that waited for a socket or a local port."),
        lambda snapshot: snapshot.director.probing.sockets.waits_total,
    ),
)

_NOTIFIER: tuple[tuple[Family, Callable[[NotifierStatus], _Number]], ...] = (
    (
        Family("healthlb_notifier_failing", "gauge", "1 when the notifier cannot deliver."),
        lambda notifier: bool(notifier.failing),
    ),
    (
        Family("healthlb_notifier_waiting_messages", "gauge", "Messages that wait to be delivered."),
        lambda notifier: notifier.waiting,
    ),
    (
        Family("healthlb_notifier_sent_messages_total", "counter", "Messages that were delivered."),
        lambda notifier: notifier.sent_total,
    ),
    (
        Family("healthlb_notifier_failed_messages_total", "counter", "Messages that were given up after their tries."),
        lambda notifier: notifier.failed_total,
    ),
    (
        Family("healthlb_notifier_dropped_messages_total", "counter", "Messages that were dropped for want of room."),
        lambda notifier: notifier.dropped_total,
    ),
)

_LATENESS = Family("healthlb_probe_start_lateness_seconds", "histogram", "How late probes start.")
_LAG = Family("healthlb_loop_lag_seconds", "histogram", "How late the director's loop comes to a timer of its own.")
_DURATION = Family("healthlb_probe_duration_seconds", "histogram", "How long probes take, by the type of their check.")

_POOL: tuple[tuple[Family, Callable[[VirtualServerStatus], _Number]], ...] = (
    (
        Family("healthlb_virtual_server_up", "gauge", "1 unless the virtual server's state is down."),
        lambda one: one.state != "down",
    ),
    (
        Family("healthlb_virtual_server_degraded", "gauge", "1 when some of the pool is out."),
        lambda one: one.state == "degraded",
    ),
    (
        Family("healthlb_virtual_server_panic", "gauge", "1 when failed servers are kept in by the panic floor."),
        lambda one: one.state == "panic",
    ),
    (
        Family("healthlb_virtual_server_quorum_met", "gauge", "1 when the live weight meets the quorum."),
        lambda one: one.quorum.met,
    ),
    (
        Family("healthlb_virtual_server_quorum_weight", "gauge", "The live weight that the quorum wants."),
        lambda one: one.quorum.wanted.up,
    ),
    (
        Family("healthlb_virtual_server_live_weight", "gauge", "The weight of the servers that are up."),
        lambda one: one.quorum.live_weight,
    ),
    (
        Family("healthlb_virtual_server_sorry_server_active", "gauge", "1 when the sorry server takes the traffic."),
        lambda one: one.sorry_server_active,
    ),
    (
        Family("healthlb_virtual_server_sorry_servers_up", "gauge", "Sorry servers that are up."),
        lambda one: sum(server.health is Health.UP for server in one.sorry_servers),
    ),
    (
        Family("healthlb_virtual_server_leaving", "gauge", "Rows that stay for their connections' sake only."),
        lambda one: len(one.leaving),
    ),
    (
        Family("healthlb_virtual_server_real_servers", "gauge", "Real servers in the pool."),
        lambda one: len(one.real_servers),
    ),
    (
        Family("healthlb_virtual_server_real_servers_up", "gauge", "Real servers in the pool that are up."),
        lambda one: sum(server.health is Health.UP for server in one.real_servers),
    ),
)

_SERVER: tuple[tuple[Family, Callable[[RealServerStatus], _Number]], ...] = (
    (
        Family(
            "healthlb_real_server_up", "gauge", "1 when the verdict is up; up and down are both 0 before the first."
        ),
        lambda server: server.health is Health.UP,
    ),
    (
        Family("healthlb_real_server_down", "gauge", "1 when the verdict is down."),
        lambda server: server.health is Health.DOWN,
    ),
    (
        Family(
            "healthlb_real_server_drained",
            "gauge",
            "1 when an operator or the server itself keeps new connections away.",
        ),
        lambda server: server.admin != "enabled",
    ),
    (
        Family("healthlb_real_server_overridden", "gauge", "1 when an operator's override covers the server."),
        lambda server: bool(server.overrides),
    ),
    (
        Family("healthlb_real_server_pooled_but_down", "gauge", "1 when the panic floor keeps the failed server in."),
        lambda server: server.pooled_but_down,
    ),
    (
        Family("healthlb_real_server_held", "gauge", "1 when the server is held down for its flapping."),
        lambda server: server.held_until is not None,
    ),
    (
        Family("healthlb_real_server_since_timestamp_seconds", "gauge", "When the verdict last changed."),
        lambda server: server.since,
    ),
    (
        Family("healthlb_real_server_weight_configured", "gauge", "The weight in the configuration."),
        lambda server: server.weight.configured,
    ),
    (
        Family("healthlb_real_server_weight_effective", "gauge", "The weight that the policy wants; absent: no row."),
        lambda server: server.weight.effective,
    ),
)

_DESTINATION_WEIGHT = Family("healthlb_real_server_weight_kernel", "gauge", "The weight of the kernel's row.")


def _usage_families(scope: str, subject: str) -> tuple[tuple[Family, Callable[[Usage], _Number]], ...]:
    def counter(name: str, what: str) -> Family:
        return Family(f"healthlb_{scope}_{name}_total", "counter", f"{what} of the kernel's row of the {subject}.")

    return (
        (
            Family(f"healthlb_{scope}_connections_active", "gauge", f"Established connections of the {subject}."),
            lambda usage: usage.active,
        ),
        (
            Family(f"healthlb_{scope}_connections_inactive", "gauge", f"Other connections of the {subject}."),
            lambda usage: usage.inactive,
        ),
        (counter("connections", "Connections"), lambda usage: usage.stats.connections),
        (counter("incoming_packets", "Packets in"), lambda usage: usage.stats.in_packets),
        (counter("outgoing_packets", "Packets out"), lambda usage: usage.stats.out_packets),
        (counter("incoming_bytes", "Bytes in"), lambda usage: usage.stats.in_bytes),
        (counter("outgoing_bytes", "Bytes out"), lambda usage: usage.stats.out_bytes),
    )


_SERVICE_USAGE = _usage_families("virtual_server", "virtual server")
_DESTINATION_USAGE = _usage_families("real_server", "real server")

_CHECK_UP = Family("healthlb_check_up", "gauge", "1 when the check's verdict is up.")
_CHECK_WARNING = Family("healthlb_check_warning", "gauge", "1 when the check warns; the status says of what.")
_CHECK_SECONDS = Family("healthlb_check_last_probe_duration_seconds", "gauge", "How long the latest probe took.")
_CHECK_PROBES = Family(
    "healthlb_check_probes_total",
    "counter",
    "Results of the check by outcome; a probe shared by several virtual servers counts in each.",
)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield the document, a sample at a time."""
    director = snapshot.director
    yield from lines(
        Family("healthlb_info", "gauge", "Always 1; the labels say which director this is."),
        [(labels(director=director.name, version=director.version, backend=director.table.backend), 1)],
    )
    for family, number in _DIRECTOR:
        yield from lines(family, [("", number(snapshot))])
    texts = [labels(notifier=each.name, type=each.type) for each in director.notifiers]
    for notifier_family, value in _NOTIFIER:
        yield from lines(notifier_family, zip(texts, map(value, director.notifiers), strict=True))
    probing = director.probing
    yield from lines(_LATENESS, buckets(probing.lateness))
    yield from lines(_LAG, buckets(probing.loop_lag))
    yield from lines(_DURATION, (each for name, values in probing.durations for each in buckets(values, type=name)))
    yield from _virtual_servers(snapshot)
    yield from _real_servers(snapshot)
    yield from _checks(snapshot)


# Labels and what they label go in lists side by side: strings are nothing to the garbage collector, but 10,000 tuples
# make it hold the loop for milliseconds.


def _virtual_servers(snapshot: Snapshot) -> Iterator[str]:
    texts: list[str] = []
    row_texts: list[str] = []
    rows: list[Usage] = []
    for one in snapshot.virtual_servers:
        texts.append(labels(virtual_server=one.name))
        if one.usage is not None:
            row_texts.append(labels(virtual_server=one.name, **_local(one.service.key)))
            rows.append(one.usage)
        yield ""
    for family, value in _POOL:
        yield from lines(family, zip(texts, map(value, snapshot.virtual_servers), strict=True))
    for family, count in _SERVICE_USAGE:
        yield from lines(family, zip(row_texts, map(count, rows), strict=True))


def _real_servers(snapshot: Snapshot) -> Iterator[str]:
    texts: list[str] = []
    servers: list[RealServerStatus] = []
    row_texts: list[str] = []
    rows: list[Usage] = []
    weights: list[int | None] = []
    for one in snapshot.virtual_servers:
        local = _local(one.service.key)
        for server in one.real_servers:
            name = {"virtual_server": one.name, "real_server": server.name}
            texts.append(labels(**name))
            servers.append(server)
            if server.usage is not None:
                remote = {"remote_address": server.address.address, "remote_port": str(server.address.port)}
                row_texts.append(labels(**name, **local, **remote))
                rows.append(server.usage)
                weights.append(server.weight.kernel)
            yield ""
    for family, value in _SERVER:
        yield from lines(family, zip(texts, map(value, servers), strict=True))
    yield from lines(_DESTINATION_WEIGHT, zip(row_texts, weights, strict=True))
    for family, count in _DESTINATION_USAGE:
        yield from lines(family, zip(row_texts, map(count, rows), strict=True))


def _checks(snapshot: Snapshot) -> Iterator[str]:
    texts: list[str] = []
    checks: list[CheckStatus] = []
    for one in snapshot.virtual_servers:
        for server in one.real_servers:
            for name, check in _with_own_names(server.checks):
                texts.append(labels(virtual_server=one.name, real_server=server.name, check=name, type=check.type))
                checks.append(check)
            yield ""
    yield from lines(_CHECK_UP, zip(texts, (check.health is Health.UP for check in checks), strict=True))
    yield from lines(_CHECK_WARNING, zip(texts, (bool(check.warning) for check in checks), strict=True))
    yield from lines(
        _CHECK_SECONDS, zip(texts, (check.last.seconds if check.last else None for check in checks), strict=True)
    )
    yield from lines(_CHECK_PROBES, _outcomes(texts, checks))


def _outcomes(texts: list[str], checks: list[CheckStatus]) -> Iterator[Sample]:
    for text, check in zip(texts, checks, strict=True):
        more = text[:-1]
        yield more + ',outcome="passed"}', check.passed_total
        yield more + ',outcome="failed"}', check.failed_total
        yield more + ',outcome="unsent"}', check.unsent_total


def _with_own_names(checks: tuple[CheckStatus, ...]) -> Iterator[tuple[str, CheckStatus]]:
    """Yield checks with their names; one that comes again gets a number, as a series twice spoils a whole scrape."""
    seen: set[str] = set()
    for check in checks:
        name, again = check.name, 1
        while name in seen:
            again += 1
            name = f"{check.name}#{again}"
        seen.add(name)
        yield name, check


def _local(key: ServiceKey) -> dict[str, str]:
    """Return a service's labels as node_exporter's ipvs collector spells them, `proto` and the hexadecimal mark too."""
    if key.protocol == "fwmark":
        return {"local_address": "", "local_port": "0", "proto": "FWM", "local_mark": f"{key.fwmark:08X}"}
    return {
        "local_address": key.address,
        "local_port": str(key.port),
        "proto": key.protocol.upper(),
        "local_mark": "",
    }
