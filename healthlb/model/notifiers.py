"""Who is told of events, and how. Durations are float seconds."""

import re
from dataclasses import dataclass, field
from typing import Literal

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
"""What a template's placeholders look like. JSON itself never has a bare word in braces, so nothing needs escaping."""
PLACEHOLDERS = ("event", "message", "virtual_server", "real_server", "director", "level", "at", "count")
"""Their names. Each becomes text for the inside of a JSON string; that of `count` is digits, so a number as well."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An HTTP POST. The URL, and each header's value, may come from a file, so that no secret is in the configuration.

    Where they are in it all the same, its repr does not show them.

    `preset` shapes the body: `json` (ours), `slack`, `alertmanager`; `template` is JSON with PLACEHOLDERS in its place.
    """

    url: str | None = field(default=None, repr=False)
    url_file: str | None = None
    preset: Literal["json", "slack", "alertmanager"] = "json"
    template: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    header_files: tuple[tuple[str, str], ...] = ()
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A program, started once for each message, which is its standard input."""

    argv: tuple[str, ...]
    user: str | None = None
    format: Literal["json", "keepalived"] = "json"


@dataclass(frozen=True, slots=True)
class Fifo:
    """A named pipe that somebody reads lines from, as keepalived's lvs_notify_fifo writes them."""

    path: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one or more addresses by a relay."""

    to: tuple[str, ...]
    sender: str
    host: str = "127.0.0.1"
    port: int = 25
    tls: Literal["none", "starttls", "tls"] = "none"
    ca_file: str | None = None
    username: str | None = None
    password_file: str | None = None


@dataclass(frozen=True, slots=True)
class Notifier:
    """One receiver. `events` are the names of what it is told, `virtual_servers` the pools it is told of, all if empty.

    What comes within `group` seconds is one message. The same event of the same server is not told again within `quiet`
    seconds. A message has `timeout` seconds for each try, and is tried again for `retry_for`; `queue` messages wait at
    most.
    """

    name: str
    settings: Webhook | Command | Fifo | Mail
    events: frozenset[str]
    virtual_servers: tuple[str, ...] = ()
    group: float = 2.0
    quiet: float = 0.0
    timeout: float = 10.0
    retry_for: float = 600.0
    queue: int = 1000
