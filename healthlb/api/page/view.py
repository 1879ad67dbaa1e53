"""What somebody asks the page to show."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from healthlb.api.page.rows import servers_of
from healthlb.model.snapshot import RealServerStatus, Snapshot, VirtualServerStatus


@dataclass(frozen=True, slots=True)
class View:
    """What somebody asks to see; `open` is a virtual server, or one of its real servers after a slash."""

    filter: str = ""
    problems: bool = False
    open: str = ""
    start: int = 0

    def opened(self, snapshot: Snapshot) -> tuple[VirtualServerStatus, RealServerStatus | None] | None:
        """Return the virtual and the real server that are to be open; None where there are no such."""
        if not self.open:
            return None
        for one in snapshot.virtual_servers:
            if self.open == one.name:
                return one, None
            if self.open.startswith(f"{one.name}/"):
                name = self.open[len(one.name) + 1 :]
                for server in servers_of(one):
                    if name in {server.name, str(server.address)}:
                        return one, server
        return None

    def link(self, **other: Any) -> str:
        """Return the URL of this view with something else in it."""
        values = {"filter": self.filter, "problems": "1" if self.problems else "", "open": self.open} | other
        return "./?" + urlencode({key: value for key, value in values.items() if value})
