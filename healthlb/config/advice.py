"""What a file says that is no fault and yet will hardly do what was meant: one sentence a kind, however many pools.

What schedulers make of a weight: Linux net/netfilter/ipvs/ip_vs_rr.c, ip_vs_lc.c and ip_vs_dh.c only ask whether it is
0; ip_vs_fo.c takes the highest; ip_vs_ovf.c takes it for a number of connections; the others share by it.
"""

import os
from collections.abc import Callable, Iterator

from healthlb.config.vrrp_advice import vrrp_advice
from healthlb.model.config import Config, Quorum, RealServer, VirtualServer
from healthlb.model.notifiers import Webhook

MOST_NAMED = 5
COARSE = 5
"""A weight below this has fewer than five steps to climb."""
WITHOUT_SHARES = {
    "rr": "does not look at weights",
    "lc": "does not look at weights",
    "dh": "does not look at weights",
    "fo": "sends everything to the highest weight",
    "ovf": "takes a weight for a number of connections",
}


def advice(config: Config) -> tuple[str, ...]:
    """Return one sentence for each kind of thing to think about. It asks for files, and is for a thread."""
    pools = config.virtual_servers.values()
    found = []
    for concerns, sentence in POOLS:
        names = [pool.name for pool in pools if concerns(pool)]
        if names:
            found.append(f"virtual_servers.{_listed(names)}: {sentence}")
    return (*found, *_unshared(config), *_in_the_clear(config), *_unread(config), *vrrp_advice(config.vrrp))


def _climbs(server: RealServer) -> bool:
    return server.slow_start > 0


def _coarse(pool: VirtualServer) -> bool:
    return any(_climbs(server) and 0 < server.weight < COARSE for server in pool.real_servers)


def _never_replaced(pool: VirtualServer) -> bool:
    return pool.panic > 0 and bool(pool.sorry_servers)


def _out_of_reach(pool: VirtualServer) -> bool:
    """Whether even the whole pool does not gain the quorum that it asks for."""
    wanted = pool.quorum.up + pool.quorum.hysteresis
    return pool.quorum != Quorum() and bool(pool.real_servers) and sum(s.weight for s in pool.real_servers) < wanted


def _unchecked(pool: VirtualServer) -> bool:
    return any(not server.probes for server in pool.sorry_servers)


def _weightless(pool: VirtualServer) -> bool:
    return bool(pool.sorry_servers) and not any(server.weight for server in pool.sorry_servers)


POOLS: tuple[tuple[Callable[[VirtualServer], bool], str], ...] = (
    (_coarse, f"slow_start has hardly a step to climb with weights below {COARSE}; give weights of 100 or so"),
    (
        _never_replaced,
        "panic keeps failing servers pooled while any has a weight, so the sorry server hardly ever stands in",
    ),
    (
        _out_of_reach,
        "quorum's up and hysteresis are more than all weights of the pool together, so it is never gained",
    ),
    (_unchecked, "the sorry server has no check, so it is believed to be up; give it one"),
    (_weightless, "the sorry server has weight 0, so it never takes traffic"),
)


def _unshared(config: Config) -> Iterator[str]:
    """Yield a sentence for each scheduler under which a ramp of weights is no ramp of traffic."""
    for scheduler, what in WITHOUT_SHARES.items():
        names = [
            pool.name
            for pool in config.virtual_servers.values()
            if pool.service.scheduler == scheduler and any(map(_climbs, pool.real_servers))
        ]
        if names:
            yield f"virtual_servers.{_listed(names)}: slow_start does little with scheduler {scheduler}, which {what}"


def _in_the_clear(config: Config) -> Iterator[str]:
    for notifier in config.notifiers.values():
        sent = notifier.settings
        if isinstance(sent, Webhook) and sent.header_files and (sent.url or "").lower().startswith("http:"):
            yield f"notifiers.{notifier.name}: what header_files hold goes in the clear over http; use https"


def _unread(config: Config) -> Iterator[str]:
    """Tell of files that a notifier will ask for first when something has happened, and nobody hears of it then."""
    for notifier in config.notifiers.values():
        sent = notifier.settings
        wanted = [(key, getattr(sent, key, None)) for key in ("url_file", "ca_file", "password_file")]
        wanted += [("header_files", path) for _, path in (sent.header_files if isinstance(sent, Webhook) else ())]
        for key, path in wanted:
            if path is not None and not os.access(path, os.R_OK):
                yield f"notifiers.{notifier.name}: {key} {path} is not there, or not for this user to read"


def _listed(names: list[str]) -> str:
    """Return the first few names, and how many more there are."""
    if len(names) <= MOST_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
