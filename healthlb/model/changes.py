"""What an operator asks for at run time, and what came of it. Durations are float seconds."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, as the kernel or the token tells (`uid 0 (root) pid 812`), and why by their own words."""

    who: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Which real servers: `real_server` is a name or address, with port or without, in one virtual server or in all.

    Without a virtual server it is an address, and all that appears with it is meant, now and later.
    """

    real_server: str
    virtual_server: str | None = None

    def __str__(self) -> str:
        return self.real_server if self.virtual_server is None else f"{self.real_server} in {self.virtual_server}"


@dataclass(frozen=True, slots=True)
class Drain:
    """No new connections. `remove`: take the row out once none is left, after `deadline` seconds at the latest."""

    target: Target
    remove: bool = False
    deadline: float | None = None
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Disable:
    """Take the rows out of the table now."""

    target: Target
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class SetWeight:
    """Put a weight, 0-65535, in the place of the configured one."""

    target: Target
    weight: int
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Lift:
    """Take back overrides: those of the admin state, of the weight, or both."""

    target: Target
    what: Literal["admin", "weight", "all"] = "all"


@dataclass(frozen=True, slots=True)
class Add:
    """Add a real server to a pool, or bring back one of the file that was removed.

    `settings` is a JSON object as the file's `real_servers` have it.
    """

    virtual_server: str
    settings: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a real server from a pool, by name or address, until it is added again or the file lists it no more."""

    target: Target


Change = Drain | Disable | SetWeight | Lift | Add | Remove


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """What came of a change. `message` is one sentence; `servers` are those concerned, as (virtual, real server).

    `unknown`: nothing has that name. `refused`: it cannot be, as the message says; `wrong`: not because of how things
    are, but of how it was asked for. Warnings are sentences on what the operator should know of a change that was made:
    an empty pool, a state that could not be saved.
    """

    result: Literal["done", "unknown", "refused"]
    message: str
    servers: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class FailoverOutcome:
    """What came of an operator's order to hand an instance over, or to take it back. `message` is one sentence.

    `unknown`: there is no such instance. `refused`: it cannot be, or should not without force. `differences` are by
    what clients would fare worse with the director that is to be master, a sentence each; `notes` are other differences
    between the two, and what the operator should know besides.
    """

    result: Literal["done", "unknown", "refused"]
    message: str
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
