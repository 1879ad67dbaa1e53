"""An editor without a purpose: makes one random edit after the other to the virtual servers of a file.

Every real server's address is one of ALIVE or ALIVE6; its check is called `alive` or `dead`.
"""

import random
from collections.abc import Callable
from typing import Any

PORTS = (80, 8080)
ALIVE = [f"10.7.0.{host}" for host in range(1, 7)]
ALIVE6 = [f"fd00::{host}" for host in range(1, 5)]
ADDRESSES = [f"10.7.1.{host}" for host in range(1, 5)]
ADDRESSES6 = [f"fd00:1::{host}" for host in range(1, 3)]
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "mh", "dh", "fo", "ovf", "lblc", "lblcr")
TUNNELS: tuple[dict[str, Any], ...] = (
    {"type": "ipip"},
    {"type": "gre", "checksum": "csum"},
    {"type": "gue", "port": 6080, "checksum": "remcsum"},
)
Data = dict[str, dict[str, Any]]


class Editor:
    """Makes one random edit after the other to a dictionary of virtual servers, as the file has them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.pools: Data = {}
        self.made = 0
        self.kinds = [self.add_pool, self.remove_pool, self.rename_pool, self.readdress, self.add_server]
        self.kinds += [self.remove_server, self.weigh, self.turn, self.reschedule, self.remethod, self.repersist]
        self.kinds += [self.refail]
        self._deck: list[Callable[[], bool]] = []

    def edit(self) -> str:
        """Make one edit and return its name; every kind has its turn in each round where it is possible."""
        while True:
            self._deck = self._deck or self.chance.sample(self.kinds, len(self.kinds))
            chosen = self.add_pool if len(self.pools) < 2 else self._deck.pop()
            if chosen():
                return chosen.__name__

    def add_pool(self) -> bool:
        if len(self.pools) == 6:
            return False
        self.made += 1
        pool = {"scheduler": "wlc", "method": "nat", "real_servers": [], **self._address()}
        self.pools[f"pool{self.made}"] = pool
        for _ in range(self.chance.randrange(4)):
            self._add_server(pool)
        return True

    def remove_pool(self) -> bool:
        del self.pools[self.chance.choice(list(self.pools))]
        return True

    def rename_pool(self) -> bool:
        self.made += 1
        self.pools[f"pool{self.made}"] = self.pools.pop(self.chance.choice(list(self.pools)))
        return True

    def readdress(self) -> bool:
        pool = self._pool()
        given = self._address()
        if _six(given) != _six(pool) or ("fwmark" in given and pool.get("one_packet")):
            return False
        for key in ("address", "protocol", "fwmark", "family"):
            pool.pop(key, None)
        pool.update(given)
        if pool.get("protocol") != "udp":
            pool.pop("one_packet", None)
        return True

    def add_server(self) -> bool:
        return self._add_server(self._pool())

    def remove_server(self) -> bool:
        servers = self._pool()["real_servers"]
        if servers:
            servers.remove(self.chance.choice(servers))
        return bool(servers)

    def weigh(self) -> bool:
        return self._change_server("weight", self.chance.randrange(5))

    def turn(self) -> bool:
        return self._change_server("check", self.chance.choice(["alive", "dead"]))

    def reschedule(self) -> bool:
        pool = self._pool()
        pool["scheduler"] = self.chance.choice(SCHEDULERS)
        pool.pop("scheduler_flags", None)
        if pool["scheduler"] in {"sh", "mh"}:
            flags = [f"{pool['scheduler']}-fallback", f"{pool['scheduler']}-port"]
            pool["scheduler_flags"] = self.chance.sample(flags, self.chance.randrange(3))
        if pool.get("protocol") == "udp":
            pool["one_packet"] = self.chance.random() < 0.5
        return True

    def remethod(self) -> bool:
        pool = self._pool()
        pool.pop("tunnel", None)
        pool["method"] = self.chance.choice(["nat", "dr", "tunnel"])
        if pool["method"] == "tunnel":
            pool["tunnel"] = self.chance.choice(TUNNELS)
        return True

    def repersist(self) -> bool:
        pool = self._pool()
        if pool.pop("persistence", None) is None:
            netmask = self.chance.choice(["/64", "/128"] if _six(pool) else ["255.255.255.0", "255.255.255.255"])
            pool["persistence"] = {"timeout": f"{self.chance.randrange(1, 600)}s", "netmask": netmask}
        return True

    def refail(self) -> bool:
        self._pool()["on_failure"] = self.chance.choice(["quiesce", "remove"])
        return True

    def _pool(self) -> dict[str, Any]:
        return self.chance.choice(list(self.pools.values()))

    def _address(self) -> dict[str, Any]:
        """Return an address that no other pool has."""
        while True:
            given: dict[str, Any] = {"fwmark": self.chance.randrange(1, 5)}
            if self.chance.random() < 0.3:
                given["family"] = "inet6"
            if self.chance.random() < 0.8:
                host = self.chance.choice([*ADDRESSES, *(f"[{address}]" for address in ADDRESSES6)])
                given = {"address": f"{host}:{self.chance.choice(PORTS)}"}
                given["protocol"] = self.chance.choice(["tcp", "tcp", "udp", "sctp"])
            if name_of(given) not in [name_of(pool) for pool in self.pools.values()]:
                return given

    def _add_server(self, pool: dict[str, Any]) -> bool:
        taken = [server["address"] for server in pool["real_servers"]]
        free = [
            host
            for host in (f"[{host}]" if ":" in host else host for host in (ALIVE6 if _six(pool) else ALIVE))
            if host not in taken
        ]
        if not free:
            return False
        check = self.chance.choice(["alive", "alive", "dead"])
        server = {"address": self.chance.choice(free), "weight": self.chance.randrange(1, 5), "check": check}
        pool["real_servers"].append(server)
        return True

    def _change_server(self, key: str, value: Any) -> bool:
        servers = self._pool()["real_servers"]
        if not servers:
            return False
        server = self.chance.choice(servers)
        before, server[key] = server[key], value
        return bool(before != value)


def _six(pool: dict[str, Any]) -> bool:
    return pool.get("family") == "inet6" or "[" in pool.get("address", "")


def name_of(pool: dict[str, Any]) -> str:
    """Return how ipvsadm names a pool's service."""
    if "fwmark" in pool:
        return f"-f {pool['fwmark']}" + (" -6" if _six(pool) else "")
    option = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}[pool["protocol"]]
    return f"{option} {pool['address']}"
