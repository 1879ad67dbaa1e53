"""What the file may say of notifiers: the options that all have, and those of each type."""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, NoReturn
from urllib.parse import urlsplit

from checks.options import Choice, Duration, Integer, ListOf, Matching, TableOf, Text, name_of, one_of
from healthlb.config.kinds import DOTTED, HOST_NAME, FilePath, Name, parse_address
from healthlb.config.walk import Option
from healthlb.model.event_names import EVENT_NAMES
from healthlb.model.notifiers import PLACEHOLDER, PLACEHOLDERS

ALL = "all"
OF_PROBES = "tells of single probes, which are in the log alone (`log` of the check)"
OF_NOTIFIERS = "tells of notifiers, which no notifier is told of"
UNTOLD = {
    "probe_passed": OF_PROBES,
    "probe_failed": OF_PROBES,
    "notifier_failed": OF_NOTIFIERS,
    "notifier_recovered": OF_NOTIFIERS,
}
DEFAULT_EVENTS = (
    "real_server_down",
    "real_server_up",
    "virtual_server_changed",
    "quorum_lost",
    "quorum_regained",
    "panic_began",
    "panic_ended",
    "sorry_server_activated",
    "sorry_server_stood_down",
    "real_server_held",
    "table_lost",
    "table_regained",
    "config_refused",
    "state_unsaved",
)


TOLD = tuple(name for name in EVENT_NAMES if name not in UNTOLD)
"""Every event that a notifier can be told of."""


class InlineNotifier:
    """A notifier in its own mapping: the common options and those of its type."""


class EventName:
    """The name of an event, or `all` for every one."""

    @property
    def words(self) -> tuple[str, ...]:
        """What it may be."""
        return (*TOLD, ALL)

    def parse(self, value: Any) -> str:
        """Take a name of an event; whether a notifier can be told of it is for others to say."""
        if not isinstance(value, str) or not (value in self.words or value in UNTOLD):
            raise ValueError(f"expected the name of an event such as real_server_down, or all, found {name_of(value)}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"enum": list(self.words)}


class Url:
    """Where a webhook is sent. What is wrong with it is told without quoting it: its path may be a secret."""

    def parse(self, value: Any) -> str:
        """Take an http or https URL (RFC 9110 section 4.2) without credentials."""
        text = Text().parse(value)
        if not re.fullmatch(r"[!-~]+", text):
            raise ValueError("expected a URL in printable ASCII; percent-encode what else it has")
        try:
            parts = urlsplit(text)
            port, host = parts.port, parts.hostname
        except ValueError:
            raise ValueError("expected a URL such as https://hooks.example.com/lb; host or port are none") from None
        if parts.scheme not in {"http", "https"} or not host or port == 0:
            raise ValueError("expected a URL such as https://hooks.example.com/lb, with http or https and a host")
        if "@" in parts.netloc:
            raise ValueError("holds a name or a password; give them as Authorization under header_files")
        if "#" in text:
            raise ValueError("has a fragment, which is never sent; leave out what begins with #")
        return text

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"}


class Template:
    """JSON with placeholders, `{"text": "{message}"}`; kept as it is written."""

    def parse(self, value: Any) -> str:
        """Take what is JSON once each placeholder is replaced."""
        text = Text().parse(value)
        for match in PLACEHOLDER.finditer(text):
            if match[1] not in PLACEHOLDERS:
                raise ValueError(f"there is no placeholder {match[0]}; known: {one_of(PLACEHOLDERS)}, each in braces")
        filled = PLACEHOLDER.sub(lambda match: "1" if match[1] == "count" else "x", text)
        try:
            json.loads(filled, parse_int=str, parse_float=str, parse_constant=_refuse)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno} of the filled template"
            raise ValueError(f"is not JSON once it is filled: {error.msg} ({place}); text needs quotes") from None
        except RecursionError:
            raise ValueError("is nested too deeply") from None
        return text

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "minLength": 1}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"is not JSON once it is filled: {constant} is no JSON number")


class Host:
    """A machine by its name or its address. A name is looked up when it is needed, and not before."""

    def parse(self, value: Any) -> str:
        """Take a host name or an address, which becomes canonical."""
        text = Text().parse(value)
        bare = text.removeprefix("[").removesuffix("]")
        if ":" in bare or DOTTED.fullmatch(bare):
            return parse_address(bare)
        if not HOST_NAME.fullmatch(text) or len(text) > 253:
            raise ValueError(f"expected a host's name or address, found {name_of(value)}")
        return text

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "minLength": 1}


MAIL_ADDRESS = Matching(
    r"[!#$%&'*+/=?^_`{|}~0-9A-Za-z.-]{1,64}(?:@[0-9A-Za-z](?:[0-9A-Za-z.-]{0,251}[0-9A-Za-z])?)?",
    "an address such as ops@example.com",
)
USER = Matching(r"[^\x00:\s/]{1,256}", "a name from the system's user database")
HEADER_VALUE = Matching(
    r"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?",
    "a header's value: one line of Latin-1 text without spaces at its ends",
)


def _option(kind: Any, doc: str, default: Any = MISSING) -> Option:
    return Option(kind, doc, default, {})


COMMON: Mapping[str, Option] = {
    "type": _option(Choice(("webhook", "command", "fifo", "mail")), "How it is told."),
    "events": _option(
        ListOf(EventName(), single=True, minimum=1),
        "What it is told of: names of events, or all; default: what leaves the normal state and returns to it.",
        DEFAULT_EVENTS,
    ),
    "virtual_servers": _option(
        ListOf(Name(), single=True, minimum=1), "The virtual servers whose events it is told; default: all.", ()
    ),
    "group": _option(Duration(0.0, 3600.0), "Events within so long are one message.", 2.0),
    "quiet": _option(
        Duration(0.0, 86400.0), "The same event of the same server is not told again within so long.", 0.0
    ),
    "timeout": _option(Duration(0.1, 600.0), "How long each try to deliver may take.", 10.0),
    "retry_for": _option(Duration(0.0, 86400.0), "For how long a message is tried again.", 600.0),
    "queue": _option(Integer(1, 100_000), "Messages that may wait; of more, the oldest are dropped and counted.", 1000),
}
TYPES: Mapping[str, Mapping[str, Option]] = {
    "webhook": {
        "url": _option(Url(), "Where it is posted; or url_file.", None),
        "url_file": _option(FilePath(), "The file that holds the URL, where that is a secret.", None),
        "preset": _option(
            Choice(("json", "slack", "alertmanager")),
            "The shape of the body: our own JSON, Slack's, or that of Alertmanager's /api/v2/alerts; default: json.",
            None,
        ),
        "template": _option(
            Template(), "The body in the place of a preset: JSON with placeholders such as {message}.", None
        ),
        "headers": _option(TableOf(HEADER_VALUE), "More headers.", ()),
        "header_files": _option(TableOf(FilePath()), "Headers whose values are secrets, each in a file.", ()),
        "ca_file": _option(FilePath(), "The authorities to trust (PEM); default: the system's.", None),
    },
    "command": {
        "command": _option(
            ListOf(Text(empty=True), minimum=1),
            "The program (an absolute path) and its arguments; there is no shell.",
        ),
        "user": _option(USER, "The user to run as; default: healthlb_script, or nobody.", None),
        "format": _option(
            Choice(("json", "keepalived")), "What is on its standard input: JSON, or keepalived's FIFO lines.", "json"
        ),
    },
    "fifo": {
        "path": _option(FilePath(), "The named pipe, into which keepalived's lvs_notify_fifo lines are written."),
    },
    "mail": {
        "to": _option(ListOf(MAIL_ADDRESS, single=True, minimum=1), "Who gets it."),
        "from": _option(MAIL_ADDRESS, "Who it is from; default: healthlb at the host's name.", None),
        "host": _option(Host(), "The relay.", "127.0.0.1"),
        "port": _option(Integer(1, 65535), "The relay's port; default: 25, or 465 with tls.", None),
        "tls": _option(
            Choice(("none", "starttls", "tls")), "Whether it is encrypted: not, by upgrade, or from the start.", "none"
        ),
        "ca_file": _option(FilePath(), "The authorities to trust (PEM); default: the system's.", None),
        "username": _option(Text(), "The user to log in as; default: no login.", None),
        "password_file": _option(FilePath(), "The file that holds the user's password.", None),
    },
}
