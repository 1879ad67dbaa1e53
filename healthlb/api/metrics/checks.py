"""The families of checks, each on one real server."""

from collections.abc import Iterator

from healthlb.api.exposition import Family, Measure, Sample, columns, labels, lines, measures
from healthlb.model.health import Health
from healthlb.model.snapshot import CheckStatus, Snapshot

_NAMED = ("virtual_server", "real_server", "check", "type")

_CHECK: tuple[Measure[CheckStatus], ...] = measures(
    "healthlb_check_",
    _NAMED,
    ("up", "gauge", "1 when the check's verdict is up.", lambda check: check.health is Health.UP),
    ("warning", "gauge", "1 when the check warns; the status says of what.", lambda check: bool(check.warning)),
    (
        "last_probe_duration_seconds",
        "gauge",
        "How long the latest probe took.",
        lambda check: check.last.seconds if check.last else None,
    ),
)

_PROBES = Family(
    "healthlb_check_probes_total",
    "counter",
    "Results of the check by outcome; a probe shared by several virtual servers counts in each.",
    (*_NAMED, "outcome"),
)

FAMILIES = (*(family for family, _ in _CHECK), _PROBES)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield what there is of each check of each real server."""
    texts: list[str] = []
    checks: list[CheckStatus] = []
    for one in snapshot.virtual_servers:
        for server in one.real_servers:
            for name, check in _with_own_names(server.checks):
                texts.append(labels(virtual_server=one.name, real_server=server.name, check=name, type=check.type))
                checks.append(check)
            yield ""
    yield from columns(_CHECK, texts, checks)
    yield from lines(_PROBES, _outcomes(texts, checks))


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
