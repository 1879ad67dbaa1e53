"""`/metrics`: the snapshot as Prometheus families, declared as data, a module for each kind of thing that they are of.

State is never a label value: a state that matters has its own 0/1 gauge, so an alert is a comparison and a series does
not change its identity at the worst moment. Series of kernel rows carry node_exporter's label names and spellings
(`local_address, local_port, remote_address, remote_port, proto, local_mark` of `node_ipvs_*`), so the two join.
"""

from collections.abc import Iterator

from healthlb.api.exposition import Family
from healthlb.api.metrics import (
    checks,
    director,
    events,
    http,
    notifiers,
    pair,
    probing,
    process,
    real_servers,
    table,
    virtual_servers,
)
from healthlb.model.snapshot import Snapshot

_WHOLE = (director, table, probing, events, notifiers, pair, http, process, virtual_servers)
_PER_REAL_SERVER = (real_servers, checks)
"""What grows with the number of real servers, and may be left out for that."""
PARTS = (*_WHOLE, *_PER_REAL_SERVER)
"""The modules, each with its FAMILIES, in the document's order."""


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield the document, a sample at a time."""
    for part in _WHOLE:
        yield from part.metrics(snapshot)
    if snapshot.director.config.metrics_per_real_server:
        for part in _PER_REAL_SERVER:
            yield from part.metrics(snapshot)


def families(*, per_real_server: bool = True) -> Iterator[Family]:
    """Yield every family that there can be, in the document's order."""
    for part in PARTS if per_real_server else _WHOLE:
        yield from part.FAMILIES
