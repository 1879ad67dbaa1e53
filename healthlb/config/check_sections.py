"""What the file may say of a check, whatever its type."""

from dataclasses import dataclass
from typing import Any

from checks.options import Choice, Duration, Either, Integer, ListOf, option
from healthlb.config.kinds import Address, Interface, Name, Namespace


@dataclass(frozen=True, slots=True)
class InlineCheck:
    """A check in its own mapping: the common options and those of its type. `named`: the table's key is its name."""

    named: bool = False


class CheckName(Name):
    """The name of a check in `checks`."""


@dataclass(frozen=True, slots=True)
class CommonCheck:
    """The options that every check has, whatever its type."""

    type: Any = option(Name(), "The protocol of the check.", keepalived="the checker's own block", ldirectord="service")
    name: str | None = option(Name(), "The name in the status; default: the type.", None)
    interval: float = option(
        Duration(0.01, 86400.0),
        "From the start of one probe to the start of the next.",
        2.0,
        keepalived="delay_loop",
        ldirectord="checkinterval",
        haproxy="inter",
    )
    timeout: float = option(
        Duration(0.001, 3600.0),
        "How long a whole probe may take. While it lasts no further one starts, so it may exceed the interval.",
        1.0,
        keepalived="connect_timeout",
        ldirectord="checktimeout, negotiatetimeout",
        haproxy="timeout check",
    )
    rise: int = option(Integer(1, 1000), "Passes in a row before the check is up.", 2, haproxy="rise")
    fall: int = option(
        Integer(1, 1000),
        "Failures in a row before the check is down.",
        3,
        keepalived="retry",
        ldirectord="failurecount, checkcount",
        haproxy="fall",
    )
    fast_interval: float | None = option(
        Duration(0.01, 86400.0),
        "The interval while the verdict is turning; default: interval.",
        None,
        keepalived="delay_before_retry",
        haproxy="fastinter",
    )
    down_interval: float | None = option(
        Duration(0.01, 86400.0), "The interval while the check is down; default: interval.", None, haproxy="downinter"
    )
    address: str | None = option(
        Address(),
        "The address that is probed; default: the real server's.",
        None,
        keepalived="connect_ip",
        haproxy="addr",
    )
    port: int | None = option(
        Integer(1, 65535),
        "The port that is probed, where the check has one; default: the real server's.",
        None,
        keepalived="connect_port",
        ldirectord="checkport",
        haproxy="port",
    )
    source: str | None = option(
        Address(),
        "The director's address that probes come from; default: as the kernel routes them.",
        None,
        keepalived="bindto",
        haproxy="source",
    )
    source_port: int | None = option(
        Integer(1, 65535), "The port that probes come from; default: any.", None, keepalived="bind_port"
    )
    interface: str | None = option(
        Interface(),
        "The interface that probes leave by; default: as the kernel routes them.",
        None,
        keepalived="bind_if",
        haproxy="source ... interface",
    )
    fwmark: int | None = option(
        Integer(1, 2**32 - 1), "The firewall mark of a probe's packets; default: none.", None, keepalived="fwmark"
    )
    namespace: str | None = option(
        Namespace(),
        "The network namespace that is probed from: a name (ip-netns(8)) or a path; default: the director's own.",
        None,
        haproxy="namespace",
    )
    log: Any = option(
        Choice(("verdicts", "failures", "all")),
        "Which results are logged: those that turn a verdict, failures too, or all; all keeps what passes saw as well.",
        "verdicts",
        keepalived="log_all_failures",
        haproxy="option log-health-checks",
    )


CHECKS = ListOf(Either((CheckName(), InlineCheck())), single=True, minimum=1)
