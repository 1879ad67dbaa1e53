"""Statuses as a director tells them, for what reads them."""

import asyncio
import copy
import json
from typing import Any

from healthlb.api import document
from healthlb.api.rendering import in_slices
from healthlb.model.snapshot import Snapshot


def told(snapshot: Snapshot) -> dict[str, Any]:
    """Return what /api/v1/status tells of a snapshot."""
    whole: dict[str, Any] = json.loads(b"".join(asyncio.run(in_slices(document.status(snapshot))).plain()))
    return whole


def pool_of(status: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one virtual server."""
    found: dict[str, Any] = next(pool for pool in status["virtual_servers"] if pool["name"] == name)
    return found


def crowd(status: dict[str, Any], pools: int, servers: int) -> dict[str, Any]:
    """Return a status with many pools of many servers, all as healthy as those of `fine`."""
    made = []
    for place in range(pools):
        pool = copy.deepcopy(pool_of(status, "fine")) | {"name": f"pool{place}"}
        (server,) = pool["real_servers"]
        pool["real_servers"] = [
            server | {"name": f"192.0.2.{each}:80", "address": f"192.0.2.{each}:80"} for each in range(servers)
        ]
        made.append(pool)
    return status | {"virtual_servers": made}
