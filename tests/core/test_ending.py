"""When a row with weight 0 has no connection left."""

import pytest

from healthlb.core.policy import is_empty
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.table import Persistence, Service, ServiceKey

WEB = ServiceKey.at("tcp", Endpoint("198.51.100.1", 80))
CALLS = ServiceKey.at("sctp", Endpoint("198.51.100.1", 80))
DNS = ServiceKey.at("udp", Endpoint("198.51.100.1", 53))
MARK = ServiceKey.marked(1, "inet")


@pytest.mark.parametrize(
    ("key", "persistent", "pin", "usage", "empty"),
    [
        (WEB, False, False, Usage(active=1), False),
        (WEB, False, False, Usage(inactive=9), True),
        (CALLS, False, False, Usage(inactive=9), True),
        (DNS, False, False, Usage(inactive=1), False),
        (DNS, False, False, Usage(), True),
        (MARK, False, False, Usage(inactive=1), False),
        (WEB, True, True, Usage(persistent=1), False),
        (WEB, True, True, Usage(), True),
        (WEB, True, False, Usage(persistent=1), True),
        (WEB, False, True, Usage(persistent=1), True),
    ],
)
def test_each_row_of_what_empty_means(key: ServiceKey, persistent: bool, pin: bool, usage: Usage, empty: bool) -> None:
    service = Service(key, "rr", persistence=Persistence(300, 32) if persistent else None)
    assert is_empty(service, usage, templates_pin=pin) is empty
