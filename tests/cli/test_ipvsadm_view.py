"""Which rows are listed as ipvsadm lists them; that they look as they should, tests/kernel tells."""

import copy
from typing import Any

import pytest

from healthlb.cli.ipvsadm_view import listing
from healthlb.model.snapshot import Snapshot
from tests.cli.statuses import pool_of, told


@pytest.fixture
def status(snapshot: Snapshot) -> dict[str, Any]:
    return told(snapshot)


def rows(status: dict[str, Any]) -> list[str]:
    return [line.split()[1] for line in listing(status, "plain").splitlines()[3:]]


def test_what_has_no_row_in_the_table_has_none_here(status: dict[str, Any]) -> None:
    assert "25" in rows(status)
    pool_of(status, "marked")["in_table"] = False
    pool_of(status, "shop")["real_servers"][1]["weight"]["kernel"] = None
    assert rows(status) == [
        "11.197.140.20:80", "11.197.141.110:18089", "11.197.140.20:18089", "11.197.141.110:18089",
    ]  # fmt: skip


def test_sorry_servers_and_what_waits_for_its_connections_are_rows_like_any_other(status: dict[str, Any]) -> None:
    fine = pool_of(status, "fine")
    (server,) = fine["real_servers"]
    fine["sorry_servers"] = [copy.deepcopy(server) | {"address": "[2001:db8:0:0::1]:80"}]
    leaving = {key: server[key] for key in ("connections", "stats", "rates")}
    fine["leaving"] = [leaving | {"address": "11.1.1.1:80", "method": "dr", "weight": {"kernel": 0}}]
    text = listing(status | {"virtual_servers": [fine]}, "plain").splitlines()
    assert text[4:] == [
        "  -> 11.1.1.1:80                  Route   0      2          3         ",
        "  -> 11.197.141.110:18089         Masq    2      2          3         ",
        "  -> [2001:db8::1]:80             Masq    2      2          3         ",
    ]


def test_addresses_are_ordered_by_a_difference_that_overflows(status: dict[str, Any]) -> None:
    fine = pool_of(status, "fine")
    (server,) = fine["real_servers"]
    fine["real_servers"] = [server | {"address": address} for address in ("10.0.0.1:80", "192.0.2.1:80", "10.0.0.1:9")]
    assert rows(status | {"virtual_servers": [fine]})[1:] == ["192.0.2.1:80", "10.0.0.1:9", "10.0.0.1:80"]


def test_before_the_first_look_at_the_table_its_version_is_unknown(status: dict[str, Any]) -> None:
    status["director"]["table"] |= {"ipvs_version": None, "connection_slots": None}
    assert listing(status, "stats").startswith("IP Virtual Server version ? (size=?)\n")
