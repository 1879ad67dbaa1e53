"""What the kernel's table makes of a netlink that fails; what it does on a kernel that works is in tests/kernel."""

import errno
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from healthlb.linux import ipvs
from healthlb.linux.ipvs import NO_MODULE, NO_PRIVILEGE, KernelTable
from healthlb.linux.ipvs_encode import encode
from healthlb.linux.netlink import (
    AnswersLostError,
    GenericNetlink,
    InterruptedDumpError,
    MalformedError,
    NetlinkError,
    RefusedError,
    Request,
    UnknownFamilyError,
)
from healthlb.linux.table import TableUnavailableError
from healthlb.model.endpoint import Endpoint
from healthlb.model.operations import AddDestination, AddService, DeleteService, SetTimeouts
from healthlb.model.table import Destination, Method, Persistence, Service, ServiceKey, Timeouts
from tests.table_contract import KEY, SERVER, SERVICE


class Netlink(GenericNetlink):
    """A netlink that raises what it is told to, each once and in order, and otherwise has an empty table."""

    def __init__(self, *problems: Exception | None) -> None:
        super().__init__("IPVS")
        self.problems = list(problems)
        self.sent: list[Request] = []
        self.refused: dict[int, int] = {}
        self.dumps = 0
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def ask(self, request: Request) -> list[bytes]:
        self._stumble()
        return [encode(SetTimeouts(Timeouts(1, 2, 3)))[1]]

    def dump(self, request: Request) -> Iterator[memoryview]:
        self.dumps += 1
        self._stumble()
        return iter(())

    def batch(self, requests: Sequence[Request]) -> dict[int, int]:
        self._stumble()
        self.sent += requests
        return self.refused

    def _stumble(self) -> None:
        problem = self.problems.pop(0) if self.problems else None
        if problem is not None:
            raise problem


CALLS: list[Callable[[KernelTable], object]] = [
    lambda table: table.read(),
    lambda table: table.apply([AddService(SERVICE)]),
    lambda table: table.unsupported(SERVICE),
]
PROBLEMS = [
    (UnknownFamilyError("no family"), NO_MODULE),
    (RefusedError(errno.EPERM), NO_PRIVILEGE),
    (RefusedError(errno.ENOMEM), "the kernel refuses to tell the IPVS table: Cannot allocate memory"),
    (MalformedError("an attribute of 9 bytes"), "the IPVS table cannot be reached: an attribute of 9 bytes"),
    (NetlinkError("too late"), "the IPVS table cannot be reached: too late"),
    (OSError(errno.EMFILE, "Too many open files"), "the IPVS table cannot be reached: Too many open files"),
]


@pytest.mark.parametrize(("problem", "text"), PROBLEMS)
def test_a_table_that_cannot_be_opened_says_why_and_lets_go(problem: Exception, text: str) -> None:
    netlink = Netlink(problem)
    with pytest.raises(TableUnavailableError) as raised:
        KernelTable(netlink=netlink)
    assert str(raised.value) == text
    assert netlink.closed


@pytest.mark.parametrize(("problem", "text"), PROBLEMS)
@pytest.mark.parametrize("call", CALLS)
def test_every_call_says_why_the_table_is_out_of_reach(
    call: Callable[[KernelTable], object], problem: Exception, text: str
) -> None:
    table = KernelTable(netlink=Netlink(None, problem))
    with pytest.raises(TableUnavailableError) as raised:
        call(table)
    assert str(raised.value) == text


def test_a_reading_that_the_table_changed_under_is_taken_again() -> None:
    netlink = Netlink(None, InterruptedDumpError("changed"), InterruptedDumpError("changed"))
    assert KernelTable(netlink=netlink).read().table.timeouts == Timeouts(1, 2, 3)
    assert netlink.dumps == 3


def test_a_table_that_changes_under_every_reading_is_out_of_reach() -> None:
    table = KernelTable(netlink=Netlink(None, *[InterruptedDumpError("changed")] * 3))
    with pytest.raises(TableUnavailableError, match="changed"):
        table.read()


def test_operations_of_unknown_fate_fail_with_errno_0_and_the_cause() -> None:
    lost = AnswersLostError("the kernel did not answer within 5 s")
    lost.refused = {0: errno.EEXIST, 1: 0}
    operations = [AddService(SERVICE), AddDestination(KEY, SERVER)]
    first, second = KernelTable(netlink=Netlink(None, lost)).apply(operations)
    assert (first.operation, first.errno) == (operations[0], errno.EEXIST)
    assert (second.operation, second.errno) == (operations[1], 0)
    assert second.reason == (
        f"cannot tell whether this was done: {operations[1]}: the kernel did not answer within 5 s"
    )


@pytest.mark.parametrize(
    "impossible",
    [
        AddService(Service(KEY, "rr", persistence=Persistence(1, 33))),
        AddService(Service(ServiceKey.at("tcp", Endpoint("192.0.2.300", 80)), "rr")),
        AddService(Service(ServiceKey.at("tcp", Endpoint("192.0.2.1", 70000)), "rr")),
        AddDestination(KEY, Destination(Endpoint("192.0.2.1", -1), Method("nat"))),
        AddDestination(KEY, Destination(Endpoint("192.0.2.1", 80), Method("nat"), 1, 2**32)),
    ],
    ids=str,
)
def test_what_no_message_can_hold_is_refused_in_its_place_and_the_rest_is_sent(
    impossible: AddService | AddDestination,
) -> None:
    netlink = Netlink(None)
    netlink.refused = {1: errno.ESRCH}
    operations = [AddService(SERVICE), impossible, DeleteService(KEY)]
    failures = KernelTable(netlink=netlink).apply(operations)
    assert [(failure.operation, failure.errno) for failure in failures] == [
        (impossible, errno.EINVAL),
        (operations[2], errno.ESRCH),
    ]
    assert netlink.sent == [encode(operations[0]), encode(operations[2])]


def test_what_was_found_supported_is_not_asked_again() -> None:
    netlink = Netlink()
    table = KernelTable(netlink=netlink)
    netlink.refused = {0: errno.EINVAL}
    assert table.unsupported(SERVICE) is None
    assert table.unsupported(SERVICE) is None
    assert len(netlink.sent) == 1


def test_what_was_missing_is_asked_again() -> None:
    netlink = Netlink()
    table = KernelTable(netlink=netlink)
    netlink.refused = {0: errno.ENOENT}
    assert table.unsupported(SERVICE) == "the kernel has no scheduler 'rr' (module ip_vs_rr)"
    netlink.refused = {0: errno.EINVAL}
    assert table.unsupported(SERVICE) is None


@pytest.mark.parametrize(("family", "answer"), [("inet", None), ("inet6", "the kernel's IPVS was built without IPv6")])
def test_a_kernel_without_ipv6_supports_ipv4_services_only(family: str, answer: str | None) -> None:
    netlink = Netlink()
    table = KernelTable(netlink=netlink)
    netlink.refused = {0: errno.EAFNOSUPPORT}
    assert table.unsupported(Service(ServiceKey.marked(1, family), "rr")) == answer  # type: ignore[arg-type]


def test_a_machine_without_modprobe_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ipvs.load_module()


def test_a_modprobe_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "modprobe"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(ipvs, "MODPROBE_DEADLINE", 0.05)
    ipvs.load_module()
