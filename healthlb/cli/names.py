"""The names that a shell completes to: asked of the running director as it is now, and nothing at all without one.

A shell calls `healthlb __complete WORDS…` with the words of its line after the program's own, the last of them the one
that is being typed. Each name is a line, followed by a tab and a word on it.
"""

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from healthlb.cli import grammar
from healthlb.cli.client import DEFAULT_URL, UnreachableError, Way, fetch_object, url_of
from healthlb.cli.main import verb_of
from healthlb.cli.reaching import DEFAULT_ADMIN

DEADLINE = 1.0
"""Seconds that a director has for an answer, as somebody waits with a finger on the key."""
VARIABLE = "HEALTHLB_COMPLETION_SECONDS"
"""Names the environment variable that sets others, for a director that is far away."""

Name = tuple[str, str]
"""A name, and a word on it."""


class Typed(NamedTuple):
    """What of a line is understood: the options' values, the other words, and what is asked for now."""

    options: dict[str, str]
    words: tuple[str, ...]
    what: str
    current: str

    @property
    def virtual_server(self) -> str | None:
        """The virtual server that the line names."""
        return self.options.get("--vs", self.words[0] if self.words else None)


def offer(line: Sequence[str]) -> int:
    """Print the names that fit; always 0, and never a complaint: it would stand in the midst of what is typed."""
    stay_silent()
    try:
        typed = understood(line)
        if typed is not None:
            sys.stdout.write("".join(f"{name}\t{word}\n" for name, word in fitting(names(typed), typed.current)))
            sys.stdout.flush()
    except Exception:  # noqa: BLE001  whatever it is, the verb itself will say it
        return 0
    return 0


def stay_silent() -> None:
    """End this process without a word where it takes too long."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, 3 * _deadline())  # reading a large configuration file included


def _deadline() -> float:
    try:
        return min(max(float(os.environ[VARIABLE]), 0.1), 60.0)
    except (KeyError, ValueError):
        return DEADLINE


def fitting(found: Iterable[Name], current: str) -> list[Name]:
    """Return the names that begin with what is typed, or else those that have it: some shells complete these, too."""
    shown = [each for each in found if each[0].isprintable()]
    begun = [each for each in shown if each[0].startswith(current)]
    return begun or [each for each in shown if current.lower() in each[0].lower()]


def understood(line: Sequence[str]) -> Typed | None:
    """Return what the line asks a name for; None where it asks for none."""
    *before, current = line or [""]
    verb: grammar.Verb | None = None
    option: grammar.Option | None = None
    options: dict[str, str] = {}
    words: list[str] = []
    for word in before:
        if option is not None:
            options[option.spellings[-1]] = word
            option = None
        elif verb is None:
            name = None if word.startswith("-") else verb_of(word)
            verb = None if name is None else grammar.verb(name)
        elif word.startswith("-") and "=" in word:
            spelling, _, value = word.partition("=")
            options[_full(verb, spelling)] = value
        elif word.startswith("-"):
            found = verb.option(word)
            option = found if found is not None and found.needs_value else None
        else:
            words.append(word)
    if verb is None:
        return None
    if option is None and current.startswith("-"):
        spelling, equals, current = current.partition("=")
        option = verb.option(spelling) if equals else None
        if option is None:
            return None
    what = option.what if option is not None else _word(verb, options, len(words))
    return Typed(options, tuple(words), what, current)


def _full(verb: grammar.Verb, spelling: str) -> str:
    found = verb.option(spelling)
    return spelling if found is None else found.spellings[-1]


def _word(verb: grammar.Verb, options: dict[str, str], place: int) -> str:
    """Return what the next word is; `--host ADDRESS` stands in the place of a virtual and a real server."""
    kinds = [word.what for word in verb.words]
    if "--host" in options:
        kinds = kinds[2:]
    return kinds[place] if place < len(kinds) else grammar.NOTHING


def names(typed: Typed) -> Iterable[Name]:
    """Return the names of what is asked for; raise UnreachableError and UsageError."""
    match typed.what:
        case "virtual server":
            return _virtual_servers(typed)
        case "real server":
            return _real_servers(typed)
        case "host":
            return _hosts(typed)
        case "check":
            return _checks(typed)
        case "removed server":
            return _removed(typed)
        case "instance":
            return _instances(typed)
        case "check type":
            return _check_types()
        case "event":
            return _events()
        case _:
            return ()


def _asked(typed: Typed, path: str, query: dict[str, str]) -> dict[str, Any]:
    """Return what the director answers where the line says that it is, or else at either of its usual places."""
    text = path + (f"?{urlencode(query, safe=',')}" if query else "")
    ways = list(_ways(typed))
    for way in ways[:-1]:
        try:
            return fetch_object(way, text, _deadline())[1]
        except UnreachableError:
            continue
    return fetch_object(ways[-1], text, _deadline())[1]


def _ways(typed: Typed) -> Iterator[Way]:
    if "--url" in typed.options:
        yield Way(typed.options["--url"], ca_file=typed.options.get("--ca-file"))
    elif "--config" in typed.options:
        from healthlb.cli.words import load  # noqa: PLC0415  YAML takes long

        yield Way(url_of(load(typed.options["--config"])[1].api.listen))
    else:
        yield Way(DEFAULT_URL)
        yield Way(DEFAULT_ADMIN)


def _virtual_servers(typed: Typed) -> Iterator[Name]:
    fields = {"fields": "virtual_servers.name,virtual_servers.state"}
    for pool in _asked(typed, "/api/v1/status", fields)["virtual_servers"]:
        yield pool["name"], pool["state"]


def _real_servers(typed: Typed) -> Iterator[Name]:
    query = {} if typed.virtual_server is None else {"virtual_server": typed.virtual_server}
    query["fields"] = "real_servers.real_server,real_servers.health,real_servers.admin"
    found = {
        each["real_server"]: f"{each['health']}, {each['admin']}"
        for each in _asked(typed, "/api/v1/real_servers", query)["real_servers"]
    }
    return iter(found.items())


def _hosts(typed: Typed) -> Iterator[Name]:
    """Yield addresses; with their ports once an address is typed in full."""
    pools: dict[str, set[str]] = {}
    kinds = ("real_servers", "sorry_servers")
    fields = ",".join(f"{kind}.{name}" for kind in kinds for name in ("address", "virtual_server"))
    answer = _asked(typed, "/api/v1/real_servers", {"fields": fields})
    for each in (*answer["real_servers"], *answer["sorry_servers"]):
        pools.setdefault(each["address"], set()).add(each["virtual_server"])
    hosts: dict[str, set[str]] = {}
    for address, of in pools.items():
        hosts.setdefault(address.rpartition(":")[0].strip("[]"), set()).update(of)
    begun = [host for host in hosts if host.startswith(typed.current)]
    shown = pools if begun in ([], [typed.current]) else {}
    return ((name, "in " + ", ".join(sorted(of)[:3])) for name, of in {**hosts, **shown}.items())


def _checks(typed: Typed) -> Iterator[Name]:
    name, server = (*typed.words, "", "")[:2]
    wanted = ("name", "address", "checks.name", "checks.type")
    fields = {"fields": ",".join(f"real_servers.{each}" for each in wanted)}
    found = {
        check["name"]: check["type"]
        for each in _asked(typed, f"/api/v1/virtual_servers/{quote(name, safe='')}", fields)["real_servers"]
        if server in ("", each["name"], each["address"])
        for check in each["checks"]
    }
    return iter(found.items())


def _removed(typed: Typed) -> Iterator[Name]:
    for each in _asked(typed, "/api/v1/overrides", {})["removed"]:
        if each["virtual_server"] == typed.virtual_server:
            yield each["address"], f"removed by {each['who'] or 'somebody'}"


def _instances(typed: Typed) -> Iterator[Name]:
    for each in _asked(typed, "/api/v1/status", {"fields": "vrrp.name,vrrp.state"})["vrrp"]:
        yield each["name"], each["state"]


def _check_types() -> Iterator[Name]:
    from healthlb.config import prepared  # noqa: PLC0415  only the verb `checks` takes them

    return ((each.type, each.summary) for each in prepared.check_references() if each.type)


def _events() -> Iterator[Name]:
    from healthlb.model.event_names import EVENT_NAMES  # noqa: PLC0415

    return ((name, "") for name in EVENT_NAMES)
