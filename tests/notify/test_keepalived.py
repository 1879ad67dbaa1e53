"""Lines as keepalived 2.2.7 writes them to its FIFO; the expected ones were read from it."""

from healthlb.model.endpoint import Endpoint
from healthlb.model.table import ServiceKey
from healthlb.notify.keepalived import lines
from tests.notify.happenings import happened

HERE = Endpoint("127.0.0.1", 9)


def test_lines_are_those_of_keepalived() -> None:
    tcp = ServiceKey.at("tcp", Endpoint("127.0.0.20", 18089))
    udp = ServiceKey.at("udp", Endpoint("::1", 53))
    events = [
        happened("real_server_up", service=tcp, address=HERE),
        happened("quorum_regained", server=None, service=tcp),
        happened("real_server_down", service=ServiceKey.marked(25, "inet"), address=HERE),
        happened("quorum_lost", server=None, service=ServiceKey.marked(25, "inet")),
        happened("real_server_up", service=udp, address=Endpoint("::1", 53)),
        happened("quorum_regained", server=None, service=udp),
    ]
    assert lines(events) == [
        "RS [127.0.0.1]:tcp:9 [127.0.0.20]:tcp:18089 UP\n",
        "VS [127.0.0.20]:tcp:18089 UP\n",
        "RS [127.0.0.1]:none:9 FWM 25 DOWN\n",
        "VS FWM 25 DOWN\n",
        "RS [::1]:udp:53 [::1]:udp:53 UP\n",
        "VS [::1]:udp:53 UP\n",
    ]


def test_what_keepalived_does_not_tell_has_no_line() -> None:
    assert lines([happened("warned", None, None), happened("virtual_server_changed", server=None)]) == []
    assert lines([happened(service=None), happened(address=None)]) == []
