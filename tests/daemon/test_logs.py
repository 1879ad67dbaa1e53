"""Lines as an operator and as a program read them, and a reader that stalls."""

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from healthlb.daemon import logs
from healthlb.daemon.chronicle import Chronicle
from healthlb.model.endpoint import Endpoint
from healthlb.model.events import (
    ConfigRefused,
    ConfigReloaded,
    DriftRepaired,
    Event,
    ForeignServicesKept,
    OperationFailed,
    OperationRecovered,
    ProbesUnsent,
    QuorumLost,
    QuorumRegained,
    RealServerDown,
    RealServerHeld,
    RealServerUp,
    TableChanged,
    TableLost,
    TableRegained,
    VirtualServerChanged,
    Warned,
)
from healthlb.model.operations import DeleteService
from healthlb.model.table import ServiceKey

DELETE = DeleteService(ServiceKey.at("tcp", Endpoint("192.0.2.1", 80)))


@pytest.fixture(autouse=True)
def _root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def written(style: logs.Style, *events: Event, journal_prefix: bool = False) -> list[str]:
    stream = io.StringIO()
    writer = logs.Logs(style, stream, journal=journal_prefix)
    writer.start()
    for event in events:
        Chronicle(lambda: 1000.0).record(event)
    writer.stop()
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("event", "level", "sentence"),
    [
        (
            RealServerUp("shop", "web1", "web", "200 OK", 2),
            "info",
            "shop: web1 is UP: web: 200 OK (2 results in a row)",
        ),
        (RealServerDown("shop", "web1", "web", "refused", 1), "warning", "shop: web1 is DOWN: web: refused (1 result)"),
        (VirtualServerChanged("shop", "up", "down", 0), "warning", "shop is down, was up: live weight 0"),
        (VirtualServerChanged("shop", "down", "up", 2), "info", "shop is up, was down: live weight 2"),
        (VirtualServerChanged("shop", "down", "panic", 0), "warning", "shop is in panic, was down: live weight 0"),
        (VirtualServerChanged("shop", "panic", "up", 2), "info", "shop is up, was in panic: live weight 2"),
        (
            RealServerHeld("shop", "web1", 4, 10.0),
            "warning",
            "shop: web1 is held down for 10s: it turned 4 times in a short time",
        ),
        (QuorumLost("shop", 0), "error", "shop lost its quorum: live weight 0"),
        (QuorumRegained("shop", 2), "info", "shop has its quorum: live weight 2"),
        (TableChanged(DELETE), "info", "table: delete service tcp 192.0.2.1:80"),
        (
            DriftRepaired(DELETE),
            "warning",
            "table: drift repaired, somebody else had changed it: delete service tcp 192.0.2.1:80",
        ),
        (
            OperationFailed(DELETE, "no such service", 0.5),
            "error",
            "table: cannot delete service tcp 192.0.2.1:80: no such service; next try in 0.5s",
        ),
        (
            OperationFailed(DELETE, "no such service", None),
            "error",
            "table: cannot delete service tcp 192.0.2.1:80: no such service",
        ),
        (OperationRecovered(DELETE), "info", "table: no longer failing: delete service tcp 192.0.2.1:80"),
        (TableLost("no answer"), "error", "table out of reach: no answer"),
        (TableRegained(), "info", "table within reach again"),
        (ForeignServicesKept(("fwmark 3",)), "info", "table: left alone, not in the configuration: fwmark 3"),
        (ConfigReloaded("0123456789abcdef", ()), "info", "configuration 0123456789ab in force: no change"),
        (
            ConfigRefused("line 3: no"),
            "error",
            "reload refused, the configuration before it stays in force: line 3: no",
        ),
        (
            ProbesUnsent("web", "127.0.0.1:80", "no descriptors"),
            "error",
            "probes cannot be sent, verdicts stay as they are: web to 127.0.0.1:80: no descriptors",
        ),
        (Warned("net.ipv4.ip_forward is 0"), "warning", "net.ipv4.ip_forward is 0"),
    ],
)
def test_each_event_is_one_line_with_its_evidence(event: Event, level: str, sentence: str) -> None:
    (line,) = written("json", event)
    read = json.loads(line)
    assert (read["level"], read["message"], read["event"]) == (level, sentence, type(event).__name__)


def test_a_structured_line_carries_the_events_fields() -> None:
    (line,) = written("json", RealServerDown("shop", "web1", "web", "refused", 3))
    read = json.loads(line)
    assert (read["virtual_server"], read["real_server"], read["streak"]) == ("shop", "web1", 3)


def test_a_readable_line_begins_with_its_time_and_level() -> None:
    (line,) = written("text", QuorumLost("shop", 0))
    time, level, *words = line.split()
    assert time.endswith("Z")
    assert (level, " ".join(words)) == ("error", "shop lost its quorum: live weight 0")


def test_for_the_journal_a_line_begins_with_its_priority() -> None:
    assert written("text", QuorumLost("shop", 0), journal_prefix=True) == ["<3>shop lost its quorum: live weight 0"]


def test_a_reason_with_line_breaks_stays_one_line() -> None:
    assert len(written("text", Warned("one\ntwo"))) == 1


class Stalled(io.StringIO):
    """A reader that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def write(self, text: str) -> int:
        self.gate.wait()
        return super().write(text)


def test_a_stalled_reader_costs_lines_that_are_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "QUEUE", 10)
    monkeypatch.setattr(logs, "DRAIN", 60.0)
    stream = Stalled()
    writer = logs.Logs("text", stream)
    writer.start()
    for number in range(100):
        Chronicle(lambda: 1000.0).record(Warned(f"line {number}"))
    dropped = writer.dropped_total
    assert 85 <= dropped <= 90
    stream.gate.set()
    writer.stop()
    assert f"{dropped} log lines dropped" in stream.getvalue()


def test_a_reader_that_has_gone_is_no_fault() -> None:
    stream = io.StringIO()
    writer = logs.Logs("text", stream)
    writer.start()
    stream.close()
    Chronicle(lambda: 1000.0).record(Warned("unheard"))
    writer.stop()
    assert writer.dropped_total == 1


def test_a_line_that_cannot_be_formatted_is_told_and_the_next_is_written() -> None:
    stream = io.StringIO()
    writing = logs.Logs("text", stream)
    before = logging.getLogger().handlers[:], logging.getLogger().level
    writing.start()
    try:
        logging.getLogger("library").error("%d probes", "many")
        logging.getLogger("healthlb").error("still there")
    finally:
        writing.stop()
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
    first, second = stream.getvalue().splitlines()
    assert "library" in first
    assert "%d probes" in first
    assert second.endswith("still there")
