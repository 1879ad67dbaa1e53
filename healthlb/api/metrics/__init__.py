"""`/metrics`: the snapshot as Prometheus families, declared as data, a module for each kind of thing that they are of.

State is never a label value: a state that matters has its own 0/1 gauge, so an alert is a comparison and a series does
not change its identity at the worst moment. Series of kernel rows carry node_exporter's label names and spellings
(`local_address, local_port, remote_address, remote_port, proto, local_mark` of `node_ipvs_*`), so the two join.
"""

from collections.abc import Iterator

from healthlb.api.exposition import Family
from healthlb.api.metrics import checks, director, notifiers, probing, real_servers, table, virtual_servers
from healthlb.model.snapshot import Snapshot

_PARTS = (director, table, notifiers, probing, virtual_servers, real_servers, checks)


def metrics(snapshot: Snapshot) -> Iterator[str]:
    """Yield the document, a sample at a time."""
    for part in _PARTS:
        yield from part.metrics(snapshot)


def families() -> Iterator[Family]:
    """Yield every family that there can be, in the document's order."""
    for part in _PARTS:
        yield from part.FAMILIES
