"""What operators changed at run time: overrides of real servers, servers added and removed, VRRP handed over.

Times are UNIX seconds.
"""

from dataclasses import dataclass
from typing import Literal

from healthlb.model.endpoint import Endpoint

AdminOrder = Literal["drain", "disable"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What an override is about: one real server of one pool, one wherever it appears, or a whole machine.

    `virtual_server` None: in every pool, those of a later configuration too. `port` None: every port of the address.
    """

    virtual_server: str | None
    address: str
    port: int | None

    def covers(self, virtual_server: str, address: Endpoint) -> bool:
        """Whether a real server of a virtual server is meant."""
        return (
            self.virtual_server in {None, virtual_server}
            and self.address == address.address
            and self.port in {None, address.port}
        )

    def __str__(self) -> str:
        """`192.0.2.1`, `192.0.2.1:80`, each with ` in shop` where it is about one pool."""
        place = self.address if self.port is None else str(Endpoint(self.address, self.port))
        return place if self.virtual_server is None else f"{place} in {self.virtual_server}"


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's word on real servers, either on their admin state or on their weight.

    `drain`: weight 0 for the sake of open connections; with `remove` the row leaves once they have ended, at `deadline`
    at the latest. `disable`: the row leaves at once. After `expires_at` the override is no more.
    """

    scope: Scope
    admin: AdminOrder | None = None
    weight: int | None = None
    remove: bool = False
    deadline: float | None = None
    who: str = ""
    why: str = ""
    at: float = 0.0
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What all overrides of one real server come to; who gave them, and why, makes no difference here."""

    admin: AdminOrder | None = None
    remove: bool = False
    deadline: float | None = None
    weight: int | None = None


NOT_OVERRIDDEN = Applied()


@dataclass(frozen=True, slots=True)
class Addition:
    """A real server that was added at run time: `settings` is a JSON object as the file's `real_servers` have it."""

    virtual_server: str
    address: Endpoint
    settings: str
    who: str = ""
    why: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Removal:
    """A real server of the file that was removed at run time, until the file no longer lists it."""

    virtual_server: str
    address: Endpoint
    who: str = ""
    why: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A VRRP instance that was handed over to another director, until it is taken back or nobody else is master."""

    instance: str
    who: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Orders:
    """All of it at one moment. Of one scope there is one override of the admin state and one of the weight at most."""

    overrides: tuple[Override, ...] = ()
    additions: tuple[Addition, ...] = ()
    removals: tuple[Removal, ...] = ()
    handed_over: tuple[HandedOver, ...] = ()
