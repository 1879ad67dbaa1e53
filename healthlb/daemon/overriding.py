"""The overrides in force, by the addresses that they are about: thousands of servers ask which of them are theirs."""

from collections import defaultdict
from collections.abc import Iterable

from healthlb.core.overrides import applied
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import NOT_OVERRIDDEN, Applied, Override


class Overriding:
    """One level of all overrides; never changed after it is made."""

    def __init__(self, overrides: Iterable[Override] = ()) -> None:
        self.overrides = tuple(overrides)
        self._places: defaultdict[str, defaultdict[int | None, list[Override]]] = defaultdict(lambda: defaultdict(list))
        for each in self.overrides:
            self._places[each.scope.address][each.scope.port].append(each)

    def covering(self, virtual_server: str, address: Endpoint) -> tuple[Override, ...]:
        """Return those that are about a real server of a virtual server."""
        ports = self._places.get(address.address)
        if ports is None:
            return ()
        near = [*ports.get(address.port, ()), *ports.get(None, ())]
        return tuple(each for each in near if each.scope.covers(virtual_server, address))

    def of(self, virtual_server: str, address: Endpoint) -> Applied:
        """Return what they come to for a real server of a virtual server."""
        if address.address not in self._places:  # nearly always, and one object for all
            return NOT_OVERRIDDEN
        return applied(self.covering(virtual_server, address), virtual_server, address)
