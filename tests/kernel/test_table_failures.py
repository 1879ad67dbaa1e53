"""The kernel's table when the module goes, the privilege is missing, buffers are small, or all of it is large."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from healthlb.core.plan import applied
from healthlb.linux import ipvs, netlink
from healthlb.linux.ipvs import KernelTable
from healthlb.linux.netlink import GenericNetlink
from healthlb.linux.table import Table, TableUnavailableError
from healthlb.model.endpoint import Endpoint
from healthlb.model.operations import AddDestination, AddService, DeleteService, EditDestination
from healthlb.model.table import Destination, IpvsTable, Method, Service, ServiceKey, Timeouts
from tests.table_contract import KEY, SERVER, SERVICE, build, emptied
from waiting import eventually

LOADER = Path("/proc/sys/kernel/modprobe")


@pytest.fixture
def table() -> Iterator[Table]:
    table = KernelTable()
    yield emptied(table)
    emptied(table)
    table.close()


def unload() -> None:
    """Take ip_vs and all that stands on it out of the kernel.

    The kernel takes a removed namespace's services down in its own time, and a scheduler is in use until then.
    """
    eventually(try_to_unload, "".__eq__)


def try_to_unload() -> str:
    """Return what is in the way, nothing once the modules are gone."""
    names = [line.split()[0] for line in Path("/proc/modules").read_text().splitlines()]
    users = [name for name in names if name.startswith("ip_vs_")]
    done = subprocess.run(["rmmod", *users, "ip_vs"], check=False, timeout=60, capture_output=True, text=True)
    return done.stderr


def load() -> None:
    """Put ip_vs into the kernel, by the program that the kernel itself would call."""
    subprocess.run([LOADER.read_text().strip(), "ip_vs"], check=True, timeout=60)


@contextmanager
def no_autoload(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the kernel, and us, find no module while the context lasts."""
    program = LOADER.read_text()
    LOADER.write_text("/bin/false\n")
    monkeypatch.setenv("MODPROBE_OPTIONS", "--dirname /nonexistent")
    try:
        yield
    finally:
        LOADER.write_text(program)
        monkeypatch.delenv("MODPROBE_OPTIONS")


@contextmanager
def nobody() -> Iterator[None]:
    """Go without privileges while the context lasts; the real user stays root, so they come back."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.private_kernel
class TestModule:
    def test_a_read_after_the_module_was_reloaded_sees_the_empty_table(self, table: Table) -> None:
        table.apply([AddService(SERVICE), DeleteService(KEY)])
        unload()
        load()
        assert table.read().table == IpvsTable({}, Timeouts(900, 120, 300))

    def test_a_batch_after_the_module_was_reloaded_is_done(self, table: Table) -> None:
        unload()
        load()
        assert table.apply([AddService(SERVICE), AddDestination(KEY, SERVER)]) == []
        assert table.read().table.services[KEY].destinations == {SERVER.address: SERVER}

    def test_what_is_supported_is_known_after_the_module_was_reloaded(self, table: Table) -> None:
        unload()
        load()
        assert table.unsupported(Service(KEY, "lblcr")) is None
        assert table.unsupported(Service(KEY, "nosuch")) is not None

    def test_an_unloaded_module_is_loaded_by_the_next_call(self, table: Table) -> None:
        unload()
        assert table.apply([AddService(SERVICE)]) == []

    def test_without_the_module_opening_says_what_to_do(self, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
        unload()
        with no_autoload(monkeypatch), pytest.raises(TableUnavailableError) as raised:
            KernelTable()
        assert str(raised.value) == ipvs.NO_MODULE

    def test_a_table_outlives_the_time_without_a_module(self, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
        unload()
        with no_autoload(monkeypatch):
            for call in (table.read, lambda: table.apply([AddService(SERVICE)]), lambda: table.unsupported(SERVICE)):
                with pytest.raises(TableUnavailableError, match="modprobe ip_vs"):
                    call()
        load()
        assert table.apply([AddService(SERVICE)]) == []


class TestPrivilege:
    def test_opening_without_cap_net_admin_names_it(self) -> None:
        with nobody(), pytest.raises(TableUnavailableError) as raised:
            KernelTable()
        assert str(raised.value) == ipvs.NO_PRIVILEGE

    def test_every_call_without_cap_net_admin_names_it(self, table: Table) -> None:
        for call in (table.read, lambda: table.apply([AddService(SERVICE)]), lambda: table.unsupported(SERVICE)):
            with nobody(), pytest.raises(TableUnavailableError) as raised:
                call()
            assert str(raised.value) == ipvs.NO_PRIVILEGE
        assert table.read().table.services == {}


class TestBuffers:
    """`SO_RCVBUF` of 4 KiB holds about five refusals."""

    @staticmethod
    def small_socket() -> socket.socket:
        sock = netlink.open_socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        return sock

    def test_batches_are_cut_so_that_every_refusal_finds_room(self, table: Table) -> None:
        table.apply([AddService(SERVICE)])
        small = KernelTable(netlink=GenericNetlink("IPVS", opener=self.small_socket))
        failures = small.apply([AddService(SERVICE)] * 50)
        assert [failure.errno for failure in failures] == [errno.EEXIST] * 50
        small.close()

    def test_after_answers_were_dropped_the_unknown_is_said_to_be_unknown(
        self, table: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table.apply([AddService(SERVICE)])
        monkeypatch.setattr(netlink, "ANSWER_SIZE", 1)
        small = KernelTable(netlink=GenericNetlink("IPVS", opener=self.small_socket))
        failures = small.apply([*[AddService(SERVICE)] * 50, AddDestination(KEY, SERVER)])
        numbers = [failure.errno for failure in failures]
        known = numbers.index(0)
        assert known > 0
        assert numbers == [errno.EEXIST] * known + [0] * (51 - known)
        assert failures[-1].operation == AddDestination(KEY, SERVER)
        assert failures[-1].reason == (
            f"cannot tell whether this was done: {AddDestination(KEY, SERVER)}: "
            "the kernel dropped answers because the socket's buffer was full"
        )
        # It was done, and the same table goes on with a fresh socket to say so.
        assert small.read().table.services[KEY].destinations == {SERVER.address: SERVER}
        small.close()


class TestSize:
    def test_ten_thousand_destinations_are_written_read_edited_and_kept(self, table: Table) -> None:
        pools = {
            ServiceKey.at("tcp", Endpoint(f"198.18.{place // 250}.{place % 250}", 80)): [
                Destination(Endpoint(f"198.19.{place % 250}.{server}", 8080), Method("nat"), server)
                for server in range(10)
            ]
            for place in range(1000)
        }
        operations = build([(Service(key, "rr"), pool) for key, pool in pools.items()])
        empty = table.read().table
        assert table.apply(operations) == []
        first = table.read().table
        assert first == applied(empty, operations)
        edits = [EditDestination(key, Destination(pool[1].address, pool[1].method, 7)) for key, pool in pools.items()]
        assert table.apply(edits[:500]) == []
        second = table.read().table
        assert second == applied(first, edits[:500])
        kept = [key for key in pools if second.services[key] is first.services[key]]
        assert kept == list(pools)[500:]

    def test_a_dump_that_is_left_early_does_not_disturb_the_next(self, table: Table) -> None:
        keys = [ServiceKey.marked(mark, "inet") for mark in range(1, 301)]
        table.apply([AddService(Service(key, "rr")) for key in keys])
        link = GenericNetlink("IPVS")
        dump = link.dump((4, b""))
        assert next(dump)
        dump.close()
        assert len(list(link.dump((4, b"")))) == 300
        link.close()


IN_A_BARE_NAMESPACE = """
from healthlb.linux.ipvs import KernelTable
from healthlb.model.operations import AddDestination, AddService
from tests.table_contract import KEY, SERVER, SERVICE

for failure in KernelTable().apply([AddService(SERVICE), AddDestination(KEY, SERVER)]):
    print(failure.errno, failure.reason)
"""


def test_a_destination_in_a_namespace_whose_lo_was_never_up_is_refused_with_a_hint() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", IN_A_BARE_NAMESPACE],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == (
        f"{errno.EINVAL} cannot {AddDestination(KEY, SERVER)}: "
        "the kernel takes only the address of a host that it can reach (is its interface, or lo, up?)\n"
    )
