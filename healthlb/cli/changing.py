"""What the verbs that change something share: which real servers are meant, how it is asked for, what is answered."""

import argparse
import json
import os
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from healthlb.cli.client import Answer, UnreachableError, Way, WrongUrlError, ask
from healthlb.cli.reaching import add_director
from healthlb.cli.table import printable
from healthlb.cli.words import UsageError, complain, say

CHANGE_DEADLINE = 30.0
"""Seconds for one change: the director answers once the table follows, which it waits for a while."""

VS_RS = "VS RS"
VS_RS_HELP = "the virtual server, and the real server's name or address"
_LONGEST_NAME = 64


class Target(NamedTuple):
    """The real servers that are meant: one of one virtual server, or those at a host's address wherever they appear."""

    real_server: str
    virtual_server: str | None = None

    @property
    def path(self) -> str:
        """Where the director takes commands about it."""
        if self.virtual_server is None:
            return f"/api/v1/hosts/{quoted(self.real_server)}"
        return f"{pool_path(self.virtual_server)}/{quoted(self.real_server)}"

    @property
    def query(self) -> str:
        """Where the director shows what is meant."""
        if self.virtual_server is None:
            return "/api/v1/real_servers?" + urlencode({"host": self.real_server})
        names = {"virtual_server": self.virtual_server, "real_server": self.real_server}
        return "/api/v1/real_servers?" + urlencode(names)

    @property
    def words(self) -> str:
        """The command line's own words for it."""
        return (
            f"--host {self.real_server}" if self.virtual_server is None else f"{self.virtual_server} {self.real_server}"
        )

    @property
    def machine(self) -> bool:
        """Whether a whole machine is meant, every port of an address."""
        return self.virtual_server is None and self.real_server.count(":") != 1 and "]:" not in self.real_server

    def at(self, address: str) -> "Target":
        """Return the same of the same virtual server, by its address."""
        return Target(address, self.virtual_server)

    def __str__(self) -> str:
        return self.real_server if self.virtual_server is None else f"{self.real_server} in {self.virtual_server}"


def pool_path(virtual_server: str) -> str:
    """Return where the real servers of a virtual server are."""
    return f"/api/v1/virtual_servers/{quoted(virtual_server)}/real_servers"


def add_change(
    parser: argparse.ArgumentParser, usage: str, *, host: bool = True, words: tuple[str, str] = (VS_RS, VS_RS_HELP)
) -> None:
    """Add what every change takes; `usage` is a line for each form, without the program and the options.

    `words` are those of its first form, and what they are.
    """
    name = parser.prog
    lines = [f"{name} {line} [options]" for line in usage.splitlines()]
    parser.usage = "\n       ".join(lines)
    parser.add_argument("words", nargs="*", metavar=words[0], help=words[1])
    if host:
        parser.add_argument(
            "--host",
            metavar="ADDRESS",
            help="every real server with this address, or address:port, wherever it appears",
        )
    parser.add_argument("--why", metavar="TEXT", help="the reason, for those who look at it later")
    add_director(parser, changes=True)
    parser.add_argument("--json", action="store_true", help="print JSON")


def target_of(arguments: argparse.Namespace, more: int = 0) -> tuple[Target, list[str]]:
    """Return what is meant, and the `more` words that follow it; raise UsageError."""
    words, host = arguments.words, getattr(arguments, "host", None)
    if host is not None:
        if len(words) != more or not host:
            raise UsageError("--host stands in the place of VS and RS; give one or the other")
        return Target(host), words
    if len(words) != 2 + more or not all(words):
        form = "VS RS" if not hasattr(arguments, "host") else "VS RS, or --host ADDRESS"
        raise UsageError(f"say which real server: {form} (see --help)")
    return Target(words[1], words[0]), words[2:]


def body_of(arguments: argparse.Namespace, **settings: Any) -> dict[str, Any]:
    """Return a command's body: its settings that are given, and why."""
    given = {key: value for key, value in settings.items() if value not in (None, False)}
    return given | ({} if not arguments.why else {"why": arguments.why})


def signed(way: Way, body: dict[str, Any]) -> dict[str, Any]:
    """Return a command's body with the name of the person behind it, where the director cannot see that by itself.

    It sees a UNIX socket's user, which is root behind sudo(8), and nobody at all behind a token.
    """
    user = os.environ.get("SUDO_USER") or ("" if way.url.startswith("unix:") else os.environ.get("LOGNAME", ""))
    return body | ({"by": user} if 0 < len(user) <= _LONGEST_NAME and user.isprintable() else {})


def change(
    way: Way, arguments: argparse.Namespace, method: str, path: str, body: dict[str, Any], *, quiet: bool = False
) -> tuple[int, dict[str, Any]]:
    """Ask for a change and tell what came of it; return the exit status and the answer.

    `quiet`: the caller has more to say, and says it all; what was refused is told all the same.
    """
    try:
        answer = ask(way, method, path, signed(way, body), CHANGE_DEADLINE)
    except WrongUrlError as error:
        raise UsageError(str(error)) from error
    except UnreachableError as error:
        complain(str(error))
        return 1, {}
    status = exit_status(answer)
    if status or not quiet:
        tell(answer, as_json=arguments.json)
    return status, answer.value


def exit_status(answer: Answer) -> int:
    """Return 0 for what was done, 2 for what was asked wrongly, of what is not there say, 1 for everything else."""
    return 0 if 200 <= answer.status < 300 else 2 if answer.status in {400, 404, 405, 413, 422} else 1


def tell(answer: Answer, *, as_json: bool) -> None:
    """Print what came of a command: its message, and on standard error what is wrong."""
    if as_json:
        say(json.dumps(answer.value, indent=2))
    elif exit_status(answer) == 0:
        say(printable(str(answer.value.get("message", "done"))))
    if exit_status(answer):
        more = "; --token-file FILE names the file that holds it" if answer.status == 401 else ""
        complain(printable(answer.error.removesuffix(".") if more else answer.error) + more)
    warn(answer.value)


def warn(value: dict[str, Any]) -> None:
    """Tell the warnings of an answer."""
    for warning in value.get("warnings") or ():
        complain(f"warning: {printable(str(warning))}")


def found_nobody(target: Target, answer: dict[str, Any]) -> bool:
    """Tell whether a change was made for a host that appears nowhere now: most likely it was misspelt."""
    return target.virtual_server is None and not answer.get("servers")


def quoted(name: str) -> str:
    """Return a name as a part of a path."""
    return quote(name, safe="")
