"""The command line: finds the verb, and turns what goes wrong into one sentence and an exit status."""

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from healthlb import __version__
from healthlb.cli.words import (
    OutputError,
    UsageError,
    complain,
    finish_output,
    open_streams,
    terminal_size,
    write,
)

VERBS = {
    "run": "probe the real servers and keep the IPVS table true, until stopped",
    "validate": "check a configuration file and list every fault in it",
    "plan": "show what a reload would change in the kernel; exit status 0: nothing, 2: something",
    "reload": "have the running director read its configuration again",
    "status": "show the virtual servers, their real servers, and why each is as it is; exit status 1: not all is well",
    "explain": "say in sentences why a server or a VRRP instance is as it is, and what would bring it back, and when",
    "events": "show what has happened, and what happens",
    "drain": "give a real server, or a whole machine, no new connections, and say when it is safe to take away",
    "undrain": "take back that a real server was drained or disabled",
    "disable": "take a real server out of the table at once, open connections or not",
    "weight": "put another weight in the place of a real server's configured one, or reset it",
    "add": "add a real server to a pool of the running director, or bring back one that was removed",
    "remove": "remove a real server from a pool of the running director",
    "failover": "hand a VRRP instance over to the other director if that serves clients as well, or take it back",
    "overrides": "list what operators changed at run time, by whom, why and until when",
    "release": "take the virtual addresses of a director that died out of the kernel",
    "probe": "probe one real server once and show everything that was seen",
    "checks": "list the check types, or show the options of one",
    "schema": "print the JSON Schema of the configuration file",
    "completion": "print what makes a shell complete the verbs, their options, and the names that the director knows",
}
"""What each verb does. Its module is imported only when it is the one: a light command must not pay for a heavy one."""

ALIASES = {"enable": "undrain"}
"""Verbs that have a second name."""

UNKNOWN = 3
"""Nagios's exit status for an answer that there is not."""

NAMES = "__complete"
"""The word by which a shell asks for names; no verb, as people have no use for it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status: 0 done, 1 the answer is no or it failed, 2 wrong use or bad config.

    130 says that it was interrupted, as shells have it.
    """
    open_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == [NAMES]:
        from healthlb.cli.names import offer  # noqa: PLC0415  the verbs need none of it

        return offer(given[1:])
    try:
        return _done(given)
    except UsageError as error:
        return _failed(given, str(error), 2)
    except OutputError as error:
        complain(str(error))
        return UNKNOWN if _is_plugin(given) else 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001  no traceback reaches an operator
        from healthlb.daemon.fault import describe  # noqa: PLC0415

        return _failed(given, describe(error), 1)


def _done(given: Sequence[str]) -> int:
    try:
        parsed = _parsed(given)
        status = int(parsed.run(parsed))
    except SystemExit as end:  # argparse has said what was asked for
        status = int(end.code or 0)
    finish_output()
    return status


def _failed(given: Sequence[str], sentence: str, status: int) -> int:
    """Tell what is wrong; return the exit status, for Nagios its own: there 1 and 2 say how the servers are."""
    if not _is_plugin(given):
        complain(sentence)
        return status
    from healthlb.cli.nagios import answer  # noqa: PLC0415  the other verbs need none of it

    try:
        write(answer("unknown", sentence), flush=True)
    except (OutputError, BrokenPipeError):
        complain(sentence)
    return UNKNOWN


def _is_plugin(given: Sequence[str]) -> bool:
    return given[:1] == ["status"] and any(len(word) > len("--") and "--nagios".startswith(word) for word in given)


class _Formatter(argparse.HelpFormatter):
    """As wide as the terminal. argparse makes one an argument, and would import shutil to ask how wide that is."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class _Help(_Formatter):
    """Fills each paragraph by itself, and of a list each line."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        import textwrap  # noqa: PLC0415

        def filled(paragraph: str) -> str:
            if "\n " not in paragraph:
                return super(_Help, self)._fill_text(paragraph, width, indent)
            return "\n".join(textwrap.fill(line, width, subsequent_indent=" " * 6) for line in paragraph.split("\n"))

        return "\n\n".join(map(filled, text.split("\n\n")))


class _Strict(argparse.ArgumentParser):
    """A parser that tells wrong use as the verbs themselves do, in one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message if "`" in message else f"{message} (see `{self.prog} --help`)")


def _columns() -> int:
    """Return what COLUMNS says, or else the terminal (environ(7)); 80 where neither does."""
    with contextlib.suppress(ValueError):
        said = int(os.environ.get("COLUMNS", "0"))
        if said > 0:
            return said
    try:
        return terminal_size(sys.stdout)[0]
    except (OSError, ValueError):  # no terminal, or no file at all
        return 80


class _Parser(_Strict):
    """A verb's parser; what its page says is read only where its help is asked for."""

    def format_help(self) -> str:
        from healthlb.cli.pages import PAGES, Page, ending  # noqa: PLC0415

        page = PAGES.get(self.prog.removeprefix("healthlb "), Page())
        if self.epilog is not None:
            page = page._replace(statuses={})  # the verb tells them itself
        given = self.description, self.epilog
        self.formatter_class = _Help
        self.description = "\n\n".join([self.description or "", *page.about])
        self.epilog = "\n\n".join(part for part in (self.epilog, ending(page)) if part)
        try:
            return super().format_help()
        finally:
            self.description, self.epilog = given


def verb_of(word: str) -> str | None:
    """Return the verb that a word is or stands for."""
    verb = ALIASES.get(word, word)
    return verb if verb in VERBS else None


def parser_of(verb: str) -> argparse.ArgumentParser:
    """Return one verb's parser, for those who tell what it takes."""
    parser = _Parser(prog=f"healthlb {verb}", description=VERBS[verb], formatter_class=_Formatter)
    importlib.import_module(f"healthlb.cli.{verb}").add_arguments(parser)
    return parser


def _parsed(given: Sequence[str]) -> argparse.Namespace:
    """Return what was given. A verb that takes `words` takes them in one row or with options between them."""
    parser = _parser(given)
    parsed, left = parser.parse_known_args(given)
    if left and (not hasattr(parsed, "words") or any(word.startswith("-") for word in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        parsed.words = [*parsed.words, *left]
    return parsed


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Strict(
        prog="healthlb",
        formatter_class=_Formatter,
        description="Probes real servers and keeps the kernel's IPVS table true to their health.",
        epilog="`healthlb VERB --help` tells more of each, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"healthlb {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=_Parser)
    word = next((word for word in given if not word.startswith("-")), "")
    chosen = ALIASES.get(word, word)
    if word and chosen not in VERBS:
        parser.error(_no_verb(word))
    for name in [chosen] if word in given[:1] else VERBS:  # each one costs milliseconds; only our own help needs all
        aliases = [alias for alias, verb_name in ALIASES.items() if verb_name == name]
        purpose = VERBS[name]
        each = verbs.add_parser(name, help=purpose, description=purpose, aliases=aliases, formatter_class=_Formatter)
        if name == chosen:
            verb = importlib.import_module(f"healthlb.cli.{name}")
            verb.add_arguments(each)
            each.set_defaults(run=verb.run)
    return parser


def _no_verb(word: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only those who mistype wait for it

    near = get_close_matches(word[:40], [*VERBS, *ALIASES], 1)
    shown = repr(word if len(word) <= 40 else word[:39] + "…")
    return f"there is no verb {shown}; " + (f"did you mean {near[0]}?" if near else "see `healthlb --help`")
