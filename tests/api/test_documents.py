"""The JSON and the metrics of any snapshot that there can be."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from healthlb.api import document, orders, readiness
from healthlb.api.metrics import families as declared
from healthlb.api.metrics import metrics
from healthlb.api.rendering import in_slices
from healthlb.core.vrrp.receive import DROPS
from healthlb.model.config import FlapDamping, Quorum
from healthlb.model.counters import Traffic, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.evidence import Evidence, SeenProbe
from healthlb.model.health import Feedback, Health
from healthlb.model.overrides import Addition, Override, Removal, Scope
from healthlb.model.snapshot import (
    CheckStatus,
    CheckTotals,
    ConfigStatus,
    DirectorStatus,
    Distribution,
    JournalStatus,
    LastProbe,
    LeavingStatus,
    ListenerStatus,
    NotifierStatus,
    Policy,
    ProbingStatus,
    ProcessStatus,
    QuorumStatus,
    RealServerStatus,
    Snapshot,
    StateStatus,
    TableStatus,
    Turns,
    VirtualServerStatus,
    Weight,
)
from healthlb.model.table import Method, Persistence, Service, ServiceKey, Tunnel
from healthlb.model.vrrp_status import InstanceStatus, PairStatus, SpeakerStatus, SyncStatus, TrackStatus
from made_up_pair import PAIR

texts = st.text(st.characters(), max_size=12)
counts = st.integers(0, 2**64 - 1)
small = st.integers(0, 2**31 - 1)
moments = st.floats(0, 4_000_000_000)
ports = st.integers(0, 65535)
addresses = st.ip_addresses(network="127.0.0.0/8").map(str) | st.ip_addresses(v=6).map(str)
endpoints = st.builds(Endpoint, addresses, ports)
traffics = st.builds(Traffic, counts, counts, counts, counts, counts)
usages = st.none() | st.builds(Usage, traffics, traffics, small, small, small)
tunnels = st.builds(Tunnel, st.sampled_from(["ipip", "gue", "gre"]), ports, st.sampled_from(["none", "csum"]))
methods = st.builds(Method, st.sampled_from(["nat", "dr"])) | st.builds(Method, st.just("tunnel"), tunnels)
probes = st.builds(LastProbe, moments, st.booleans(), texts, st.floats(0, 1000))
evidence = st.builds(Evidence, st.binary(max_size=9), st.binary(max_size=9), texts, texts)
seen = st.none() | st.builds(SeenProbe, moments, texts, st.floats(0, 1000), st.none() | evidence)
feedbacks = st.none() | st.builds(
    Feedback, st.none() | small, st.booleans(), st.sampled_from([None, "ready", "drain", "maint"])
)
checks = st.builds(
    CheckStatus, texts, texts, st.sampled_from(Health), st.none() | probes, small, counts, counts, counts,
    feedback=feedbacks, warning=texts, last_failure=seen, last_pass=seen, unsent_reason=texts,
)  # fmt: skip
keys = st.builds(ServiceKey.at, st.sampled_from(["tcp", "udp", "sctp"]), endpoints) | st.builds(
    ServiceKey.marked, st.integers(1, 2**32 - 1), st.sampled_from(["inet", "inet6"])
)
overrides = st.builds(
    Override,
    st.builds(Scope, st.none() | texts, addresses, st.none() | ports),
    *(st.sampled_from([None, "drain", "disable"]), st.none() | ports, st.booleans(), st.none() | moments),
    *(texts, texts, moments, st.none() | moments),
)
additions = st.builds(Addition, texts, endpoints, texts, texts, texts, moments)
removals = st.builds(Removal, texts, endpoints, texts, texts, moments)
real_servers = st.builds(
    RealServerStatus,
    name=texts,
    address=endpoints,
    method=methods,
    health=st.sampled_from(Health),
    admin=st.sampled_from(["enabled", "draining", "drained", "disabled"]),
    since=moments,
    weight=st.builds(Weight, small, st.none() | small, st.none() | small, st.lists(texts, max_size=2).map(tuple)),
    usage=usages,
    checks=st.lists(checks, max_size=3).map(tuple),
    origin=st.sampled_from(["file", "runtime"]),
    overrides=st.lists(overrides, max_size=2).map(tuple),
    pooled_but_down=st.booleans(),
    held_until=st.none() | moments,
    ramp=st.none() | st.floats(0.05, 0.95),
)
services = st.builds(
    Service,
    keys,
    texts,
    st.frozensets(st.sampled_from(["flag-1", "flag-2"])),
    st.none() | st.builds(Persistence, small, st.integers(-1, 128), st.sampled_from(["", "sip"])),
    st.booleans(),
)
virtual_servers = st.builds(
    VirtualServerStatus,
    name=texts,
    service=services,
    method=methods,
    state=st.sampled_from(["up", "degraded", "panic", "down"]),
    quorum=st.builds(QuorumStatus, st.builds(Quorum, small, small), small, st.booleans()),
    sorry_server_active=st.booleans(),
    usage=usages,
    real_servers=st.lists(real_servers, max_size=3, unique_by=lambda server: _as_utf8(server.name)).map(tuple),
    panic=st.floats(0, 100),
    sorry_servers=st.lists(real_servers, max_size=1).map(tuple),
    leaving=st.lists(st.builds(LeavingStatus, endpoints, moments, usages), max_size=1).map(tuple),
    removed=st.lists(removals, max_size=1).map(tuple),
)
notifiers = st.builds(NotifierStatus, texts, texts, small, counts, counts, counts, texts)
distributions = st.lists(st.tuples(st.floats(0.001, 100), counts), max_size=4, unique_by=lambda pair: pair[0]).map(
    lambda pairs: Distribution(
        tuple(sorted(bound for bound, _ in pairs)), tuple(count for _, count in [*pairs, (0, 7)]), 1.5
    )
)
check_totals = st.builds(CheckTotals, texts, texts, counts, counts, counts, counts, distributions, distributions)
listeners = st.builds(
    ListenerStatus,
    *(st.sampled_from(["listen", "admin"]), small, small, counts, counts),
    st.just(((200, 7), (418, 1))),
)
directors = st.builds(
    DirectorStatus,
    name=texts,
    version=texts,
    started_at=moments,
    config=st.builds(ConfigStatus, texts, texts, moments, st.none() | texts, st.floats(0, 100), st.booleans()),
    table=st.builds(
        TableStatus,
        *(texts, st.booleans(), st.none() | moments, counts, counts, counts, st.tuples(texts)),
        done=st.just((("add_service", 3),)),
        passes=distributions,
    ),
    probing=st.builds(
        ProbingStatus,
        *(small, small, counts, counts, counts, small, distributions),
        st.lists(check_totals, max_size=2, unique_by=lambda each: _as_utf8(each.name)).map(tuple),
    ),
    warnings=st.lists(texts, max_size=2).map(tuple),
    overrides=st.lists(overrides, max_size=2).map(tuple),
    state=st.builds(StateStatus, texts, st.none() | moments, texts),
    journal=st.builds(JournalStatus, texts, counts, counts, texts),
    notifiers=st.lists(notifiers, max_size=2, unique_by=lambda each: _as_utf8(each.name)).map(tuple),
    additions=st.lists(additions, max_size=1).map(tuple),
    events=st.just((("real_server_down", 3),)),
    listeners=st.lists(listeners, max_size=2, unique_by=lambda each: each.name).map(tuple),
    process=st.builds(ProcessStatus, st.floats(0, 1e6), *([small] * 5), moments, texts, st.just((9, 2, 1))),
)
instances = st.builds(
    InstanceStatus,
    *(texts, st.sampled_from(["INIT", "BACKUP", "MASTER", "FAULT"]), texts, small, st.sampled_from([2, 3])),
    *(small, small, st.lists(texts, max_size=2).map(tuple), moments, texts, small, st.floats(0.01, 40.95)),
    faults=st.lists(texts, max_size=2).map(tuple),
    tracked=st.lists(
        st.builds(
            TrackStatus,
            *(st.sampled_from(["interface", "virtual_server", "check"]), texts, st.booleans()),
            *(st.none() | st.integers(-253, 253), texts),
        ),
        max_size=2,
        unique_by=lambda each: (each.kind, _as_utf8(each.name)),
    ).map(tuple),
    yielded=st.booleans(),
    yielded_by=texts,
    yielded_at=moments,
    split_brain=texts,
    group=texts,
    became_master_total=counts,
    adverts_sent_total=counts,
    adverts_received_total=counts,
    dropped=st.dictionaries(st.sampled_from(DROPS), counts, max_size=3),
)
sync_daemons = st.builds(
    SyncStatus,
    *(st.sampled_from(["master", "backup"]), texts, st.integers(0, 255), st.booleans(), st.booleans()),
    *(st.none() | moments, texts),
)
speakers = st.builds(
    SpeakerStatus,
    *(st.booleans(), small, moments, counts, st.booleans(), st.booleans()),
    *(st.tuples(*[st.floats(0, 100)] * 3), texts),
)
pairs = st.builds(
    PairStatus,
    st.lists(instances, max_size=2, unique_by=lambda each: _as_utf8(each.name)).map(tuple),
    st.lists(sync_daemons, max_size=2, unique_by=lambda each: each.role).map(tuple),
    st.none() | speakers,
)
snapshots = st.builds(
    Snapshot,
    taken_at=moments,
    ready=st.booleans(),
    director=directors,
    virtual_servers=st.lists(virtual_servers, max_size=3, unique_by=lambda one: _as_utf8(one.name)).map(tuple),
    pair=st.none() | pairs,
)

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def _as_utf8(text: str) -> str:
    """Two names that differ in a lone surrogate alone are one name once they are sent."""
    return text.encode(errors="replace").decode()


def rendered(fragments: Iterator[str]) -> str:
    return b"".join(asyncio.run(in_slices(fragments)).plain()).decode()


# What the public contract shows, and below it what was added to it.
CONTRACT: dict[str, Any] = {
    "director": {
        "name": 0,
        "version": 0,
        "started_at": 0,
        "config": {"path": 0, "sha256": 0, "loaded_at": 0},
        "table": {
            "backend": 0,
            "in_sync": 0,
            "last_resync_at": 0,
            "drift_repaired_total": 0,
            "failed_operations_total": 0,
        },
    },
    "virtual_servers": [
        {
            "name": 0,
            "address": 0,
            "protocol": 0,
            "scheduler": 0,
            "method": 0,
            "state": 0,
            "quorum": {"up": 0, "live_weight": 0, "met": 0},
            "sorry_server_active": 0,
            "connections": {"active": 0, "inactive": 0},
            "stats": {"connections": 0, "in_packets": 0, "out_packets": 0, "in_bytes": 0, "out_bytes": 0},
            "rates": {
                "connections_per_second": 0,
                "in_packets_per_second": 0,
                "out_packets_per_second": 0,
                "in_bytes_per_second": 0,
                "out_bytes_per_second": 0,
            },
            "real_servers": [
                {
                    "name": 0,
                    "address": 0,
                    "method": 0,
                    "health": 0,
                    "admin": 0,
                    "since": 0,
                    "weight": {"configured": 0, "effective": 0, "kernel": 0},
                    "connections": {"active": 0, "inactive": 0},
                    "stats": {"connections": 0, "in_packets": 0, "out_packets": 0, "in_bytes": 0, "out_bytes": 0},
                    "rates": {
                        "connections_per_second": 0,
                        "in_packets_per_second": 0,
                        "out_packets_per_second": 0,
                        "in_bytes_per_second": 0,
                        "out_bytes_per_second": 0,
                    },
                    "checks": [
                        {
                            "name": 0,
                            "type": 0,
                            "health": 0,
                            "last": {"at": 0, "passed": 0, "reason": 0, "seconds": 0},
                            "streak": 0,
                        }
                    ],
                }
            ],
        }
    ],
    "vrrp": [
        {
            "name": 0,
            "state": 0,
            "priority": {"configured": 0, "effective": 0},
            "router_id": 0,
            "interface": 0,
            "addresses": [],
            "since": 0,
            "master": 0,
        }
    ],
}
ADDED = {
    "taken_at",
    "ready",
    "director.config.refused",
    "director.config.max_reload_change",
    "director.table.operations_total",
    "director.table.failing",
    "director.table.ipvs_version",
    "director.table.connection_slots",
    "director.probing.probes",
    "director.probing.in_flight",
    "director.probing.late_total",
    "director.probing.unsent_total",
    "director.probing.void_total",
    "director.probing.waiting",
    "director.probing.sockets.open",
    "director.probing.sockets.kept",
    "director.warnings",
    *(f"director.state.{name}" for name in ("path", "saved_at", "failing")),
    *(f"director.journal.{name}" for name in ("path", "events_total", "dropped_total", "failing")),
    "director.notifiers",
    "director.overrides",
    "director.added",
    *(
        f"virtual_servers.{name}"
        for name in (
            "family",
            "fwmark",
            "scheduler_flags",
            "tunnel",
            "persistence",
            "one_packet",
            "in_table",
            "since",
            "quorum.hysteresis",
            "panic",
            "sorry_servers",
            "leaving",
            "removed",
            "connections.persistent",
            "real_servers.tunnel",
            "real_servers.connections.persistent",
            "real_servers.weight.chain",
            "real_servers.origin",
            "real_servers.overrides",
            "real_servers.held_until",
            "real_servers.pooled_but_down",
            "real_servers.ramp",
            "real_servers.checks.feedback",
            "real_servers.checks.warning",
            "real_servers.checks.last_failure",
            "real_servers.checks.last_pass",
            "real_servers.checks.passed_total",
            "real_servers.checks.failed_total",
            "real_servers.checks.unsent_total",
            "real_servers.checks.unsent_reason",
            "real_servers.checks.recent",
            "real_servers.checks.schedule",
            "real_servers.checks.target",
            "real_servers.checks.passing",
            "real_servers.checks.next_at",
        )
    ),
    *(
        f"virtual_servers.real_servers.policy.{name}"
        for name in ("require", "on_failure", "initial", "slow_start", "flap_damping")
    ),
    *(
        f"virtual_servers.real_servers.turns.{name}"
        for name in ("turned_at", "recovered_at", "recent", "level", "held_until")
    ),
    *(
        f"vrrp.{name}"
        for name in (
            "master_priority",
            "version",
            "interval",
            "faults",
            *(f"tracked.{each}" for each in ("kind", "name", "up", "weight", "reason")),
            "yielded",
            "handed_over",
            "split_brain",
            "group",
            "became_master_total",
            "adverts.sent_total",
            "adverts.received_total",
            "adverts.dropped_total.checksum",
        )
    ),
    *(
        f"connection_sync.{name}"
        for name in ("role", "interface", "id", "running", "wanted", "last_packet_at", "problem")
    ),
    *(
        f"speaker.{name}"
        for name in (
            *("running", "pid", "since", "restarts_total", "real_time", "memory_locked", "problem"),
            *(f"lateness.{each}" for each in ("median", "p99", "worst")),
        )
    ),
}


def key_paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every leaf; an empty list is a leaf."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from key_paths(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from key_paths(inner, path)
    else:
        yield path


def test_the_status_has_the_contracts_keys_and_the_listed_additions_and_no_other(source: Any) -> None:
    found = set(key_paths(json.loads(rendered(document.status(replace(source.current, pair=PAIR))))))
    # What is a list stays one where it has nothing in it.
    assert found - {"vrrp.tracked"} == (set(key_paths(CONTRACT)) | ADDED)


def test_a_director_without_vrrp_has_none_to_tell_of(source: Any) -> None:
    status = json.loads(rendered(document.status(source.current)))
    assert (status["vrrp"], status["connection_sync"], status["speaker"]) == ([], [], None)


def test_the_status_of_the_classic_set_up_reads_as_the_contract_shows_it(source: Any) -> None:
    status = json.loads(rendered(document.status(source.current)))
    pool = status["virtual_servers"][0]
    assert pool["address"] == "11.197.140.20:18089"
    assert (pool["protocol"], pool["scheduler"], pool["method"], pool["state"]) == ("tcp", "rr", "nat", "degraded")
    assert pool["quorum"] == {"up": 1, "hysteresis": 0, "live_weight": 1, "met": True}
    down = pool["real_servers"][1]
    assert (down["name"], down["address"], down["health"]) == ("web2", "11.197.140.20:28089", "down")
    assert down["weight"] == {"configured": 1, "effective": 0, "kernel": 0, "chain": ["1", "0 (down)"]}
    assert down["checks"][0]["last"]["reason"] == "connection refused"
    assert down["since"] == "2026-10-14T17:45:40.250Z"


@given(snapshots)
def test_any_snapshot_is_json_that_says_what_the_snapshot_says(snapshot: Snapshot) -> None:
    status = json.loads(rendered(document.status(snapshot)))
    assert [one["name"] for one in status["virtual_servers"]] == [one.name for one in snapshot.virtual_servers]
    for shown, one in zip(status["virtual_servers"], snapshot.virtual_servers, strict=True):
        assert [server["health"] for server in shown["real_servers"]] == [s.health.value for s in one.real_servers]
        assert [server["weight"]["kernel"] for server in shown["real_servers"]] == [
            server.weight.kernel for server in one.real_servers
        ]
        usage = one.usage or Usage()
        assert shown["stats"]["in_bytes"] == usage.stats.in_bytes
        assert shown["rates"]["out_bytes_per_second"] == usage.rates.out_bytes
        for real, server in zip(shown["real_servers"], one.real_servers, strict=True):
            assert [each["who"] for each in real["overrides"]] == [each.who for each in server.overrides]
            assert (real["held_until"] is None) == (server.held_until is None)
        assert [server["name"] for server in shown["sorry_servers"]] == [each.name for each in one.sorry_servers]
    told = status["director"]
    assert told["journal"]["dropped_total"] == snapshot.director.journal.dropped_total
    assert [each["failing"] or "" for each in told["notifiers"]] == [e.failing for e in snapshot.director.notifiers]
    pair = snapshot.pair or PairStatus()
    assert [(each["state"], each["yielded"]) for each in status["vrrp"]] == [
        (each.state, each.yielded) for each in pair.instances
    ]
    assert [each["running"] for each in status["connection_sync"]] == [each.running for each in pair.sync]
    assert (status["speaker"] is None) == (pair.speaker is None)
    for moment in (status["taken_at"], status["director"]["started_at"], status["director"]["config"]["loaded_at"]):
        assert RFC3339.fullmatch(moment)


@given(evidence)
def test_what_was_seen_is_printable_text_that_tells_every_byte(saw: Evidence) -> None:
    check = CheckStatus("web", "http", Health.DOWN, None, 1, last_failure=SeenProbe(0.5, "no", 0.25, saw))
    told = json.loads(json.dumps(document._check(check)["last_failure"]))
    assert (told["at"], told["reason"], told["seconds"]) == ("1970-01-01T00:00:00.500Z", "no", 0.25)
    for data, text in ((saw.sent, told["evidence"]["sent"]), (saw.received, told["evidence"]["received"])):
        assert text.isascii()
        assert text.isprintable()
        assert text.encode().decode("unicode_escape").encode("latin-1") == data


def test_an_override_is_told_with_its_scope_its_actor_and_its_end() -> None:
    scope = Scope("shop", "192.0.2.1", 80)
    override = Override(scope, "drain", None, True, 60.0, "uid 0 (root) pid 7", "a new disk", 1.0, 3600.0)
    assert orders.overrides([override]) == [
        {
            "what": "drain",
            "scope": "192.0.2.1:80 in shop",
            "virtual_server": "shop",
            "address": "192.0.2.1",
            "port": 80,
            "admin": "drain",
            "weight": None,
            "remove": True,
            "deadline": "1970-01-01T00:01:00.000Z",
            "who": "uid 0 (root) pid 7",
            "why": "a new disk",
            "at": "1970-01-01T00:00:01.000Z",
            "expires_at": "1970-01-01T01:00:00.000Z",
        }
    ]
    weight = Override(Scope(None, "192.0.2.1", None), weight=5)
    assert [orders.overrides([weight])[0][name] for name in ("what", "scope")] == ["weight 5", "192.0.2.1"]


@given(snapshots)
def test_the_list_and_the_single_virtual_server_are_those_of_the_status(snapshot: Snapshot) -> None:
    status = json.loads(rendered(document.status(snapshot)))
    listed = json.loads(rendered(document.virtual_servers(snapshot)))
    assert listed == {"virtual_servers": status["virtual_servers"]}
    single = [json.loads(rendered(document.virtual_server(one))) for one in snapshot.virtual_servers]
    assert single == status["virtual_servers"]


@given(st.floats(0, 4_000_000_000))
def test_a_timestamp_is_rfc_3339_in_utc_to_the_millisecond(moment: float) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document.timestamp(moment))


NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
NODE_EXPORTER = {"local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"}


def parse_exposition(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Read text format 0.0.4 strictly: header before samples, families whole, no series twice, rules of promlint."""
    assert text.endswith("\n")
    families: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    kinds: dict[str, str] = {}
    current = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, current, explanation = line.split(" ", 3)
            assert NAME.fullmatch(current)
            assert current not in families
            assert explanation.strip()
            families[current] = {}
        elif line.startswith("# TYPE "):
            _, _, name, kinds[current] = line.split(" ")
            assert name == current
            assert kinds[current] in {"counter", "gauge", "histogram"}
            assert not families[current]
            assert (kinds[current] == "counter") == name.endswith("_total")
        else:
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            suffix = name.removeprefix(current)
            assert name.startswith(current)
            assert suffix in ({"_bucket", "_sum", "_count"} if kinds[current] == "histogram" else {""})
            labels, number = parse_sample(line[len(name) :])
            labels += (("", suffix),) if suffix else ()
            assert labels not in families[current]
            families[current][labels] = number
    for name, kind in kinds.items():
        if kind == "histogram":
            check_histogram(families[name])
    return families


def check_histogram(samples: dict[tuple[tuple[str, str], ...], float]) -> None:
    """Hold each series to the format's rule: buckets that only grow, the last of them +Inf and equal to the count."""
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for labels, number in samples.items():
        rest = tuple(pair for pair in labels if pair[0] not in {"", "le"})
        if ("", "_bucket") in labels:
            series.setdefault(rest, []).append((float(dict(labels)["le"]), number))
    for rest, found in series.items():
        assert found == sorted(found)
        assert [number for _, number in found] == sorted(number for _, number in found)
        assert found[-1] == (float("inf"), samples[(*rest, ("", "_count"))])
        assert (*rest, ("", "_sum")) in samples


def parse_sample(rest: str) -> tuple[tuple[tuple[str, str], ...], float]:
    pairs: list[tuple[str, str]] = []
    if rest.startswith("{"):
        rest = rest[1:]
        while not rest.startswith("}"):
            found = re.match(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(,|(?=\}))', rest)
            assert found, rest
            value = re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), found[2])
            pairs.append((found[1], value))
            rest = rest[found.end() :]
        rest = rest[1:]
    assert re.fullmatch(r" [0-9.e+-]+", rest), rest
    assert len({name for name, _ in pairs}) == len(pairs)
    return tuple(sorted(pairs)), float(rest)


@given(snapshots)
def test_any_snapshot_is_metrics_that_a_strict_reader_takes(snapshot: Snapshot) -> None:
    single = snapshot.director.config.metrics_per_real_server
    families = parse_exposition(rendered(metrics(snapshot)))
    assert list(families) == [each.name for each in declared(per_real_server=single)]
    servers = [server for one in snapshot.virtual_servers for server in one.real_servers]
    held = sum(server.held_until is not None for server in servers)
    warnings = sum(bool(check.warning) for server in servers for check in server.checks)
    for family, count in (("real_servers_held", held), ("checks_warning", warnings)):
        assert sum(families[f"healthlb_virtual_server_{family}"].values()) == count
    assert {dict(labels)["virtual_server"] for labels in families["healthlb_virtual_server_up"]} == {
        _as_utf8(one.name) for one in snapshot.virtual_servers
    }
    dropped = families["healthlb_notifier_dropped_messages_total"]
    assert list(dropped.values()) == [float(each.dropped_total) for each in snapshot.director.notifiers]
    if not single:
        return
    up = families["healthlb_real_server_up"]
    assert len(up) == len(servers)
    assert sum(up.values()) == sum(server.health is Health.UP for server in servers)
    rows = families["healthlb_real_server_incoming_bytes_total"]
    assert len(rows) == sum(server.usage is not None for server in servers)
    assert all({name for name, _ in labels} >= NODE_EXPORTER for labels in rows)
    probes_made = families["healthlb_check_probes_total"]
    assert len(probes_made) == 3 * sum(len(server.checks) for server in servers)
    assert sum(families["healthlb_real_server_held"].values()) == held
    assert sum(families["healthlb_real_server_pooled_but_down"].values()) == sum(s.pooled_but_down for s in servers)
    assert sum(families["healthlb_check_warning"].values()) == warnings


@given(snapshots)
def test_every_series_has_the_labels_that_its_family_declares(snapshot: Snapshot) -> None:
    families = parse_exposition(rendered(metrics(snapshot)))
    for family in declared(per_real_server=snapshot.director.config.metrics_per_real_server):
        for labels in families[family.name]:
            assert {name for name, _ in labels} - {"", "le"} == set(family.labels)


@given(snapshots)
def test_without_series_of_real_servers_no_series_names_one_and_all_others_stay(snapshot: Snapshot) -> None:
    def told(single: bool) -> dict[str, Any]:
        config = replace(snapshot.director.config, metrics_per_real_server=single)
        director = replace(snapshot.director, config=config)
        return parse_exposition(rendered(metrics(replace(snapshot, director=director))))

    every, few = told(True), told(False)
    assert few == {name: every[name] for name in few}
    for name in every.keys() - few.keys():
        assert all("real_server" in dict(labels) for labels in every[name])
    assert not any("real_server" in dict(labels) for samples in few.values() for labels in samples)


def test_no_family_has_a_state_or_a_health_as_a_label(source: Any) -> None:
    names = {
        name
        for samples in parse_exposition(rendered(metrics(source.current))).values()
        for labels in samples
        for name, _ in labels
    }
    assert not names & {"state", "health", "admin", "reason"}


def test_a_kernel_row_has_the_labels_and_spellings_of_node_exporter(source: Any) -> None:
    rows = parse_exposition(rendered(metrics(source.current)))["healthlb_real_server_connections_active"]
    assert [{name: value for name, value in labels if name in NODE_EXPORTER} for labels in rows] == [
        {
            "local_address": "11.197.140.20",
            "local_port": "18089",
            "remote_address": remote,
            "remote_port": port,
            "proto": "TCP",
            "local_mark": "",
        }
        for remote, port in (("11.197.141.110", "18089"), ("11.197.140.20", "28089"))
    ]


@given(snapshots)
def test_what_is_awaited_is_said_in_sentences(snapshot: Snapshot) -> None:
    said = [sentence for sentence in readiness.reasons(snapshot) if sentence]
    servers = [s for one in snapshot.virtual_servers for s in (*one.real_servers, *one.sorry_servers)]
    unknown = any(server.health is Health.UNKNOWN and server.admin == "enabled" for server in servers)
    assert any("no verdict yet" in sentence for sentence in said) == unknown
    assert any("not in sync" in sentence for sentence in said) == (not snapshot.director.table.in_sync)


def test_what_policy_remembers_of_a_server_is_told_in_moments_and_what_the_file_says_of_it_in_seconds() -> None:
    policy = Policy("any", "remove", "trust", 30.0, FlapDamping(3, 600.0, 60.0, 1800.0))
    turns = Turns(1.0, 2.0, (0.5, 1.0), 1, 61.0)
    server = RealServerStatus(
        "web1", Endpoint("192.0.2.1", 80), Method("nat"), Health.UP, "enabled", 1.0, Weight(1, 1, 1), None, (),
        policy=policy, turns=turns,
    )  # fmt: skip
    told = document.real_server(server)
    assert told["policy"] == {
        "require": "any",
        "on_failure": "remove",
        "initial": "trust",
        "slow_start": 30.0,
        "flap_damping": {"changes": 3, "window": 600.0, "hold": 60.0, "longest": 1800.0},
    }
    assert told["turns"] == {
        "turned_at": "1970-01-01T00:00:01.000Z",
        "recovered_at": "1970-01-01T00:00:02.000Z",
        "recent": ["1970-01-01T00:00:00.500Z", "1970-01-01T00:00:01.000Z"],
        "level": 1,
        "held_until": "1970-01-01T00:01:01.000Z",
    }
