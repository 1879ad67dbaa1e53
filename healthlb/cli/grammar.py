"""What each verb takes, as its parser says it: the source of the shells' completion and of the manual pages."""

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from healthlb.cli.main import ALIASES, VERBS, parser_of

FILE = "file"
NOTHING = ""
NAMES = {
    "VS": "virtual server",
    "RS": "real server",
    "TYPE": "check type",
    "EVENT": "event",
    "INSTANCE": "instance",
    "--vs": "virtual server",
    "--rs": "real server",
    "--host": "host",
    "--check": "check",
    "ADDRESS": "removed server",
}
"""Of what a name is that stands for a word of the usage, or that an option takes; the option is looked up first."""


class Option(NamedTuple):
    """One option: how it is spelled, what it is for, and what it takes: a name of something, FILE, or NOTHING known.

    `metavar` is "" where nothing may follow, `optional` where it need not.
    """

    spellings: tuple[str, ...]
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    what: str = NOTHING
    repeats: bool = False
    optional: bool = False

    @property
    def needs_value(self) -> bool:
        """Whether the next word is its value, whatever that is."""
        return bool(self.metavar) and not self.optional


class Word(NamedTuple):
    """One word that a verb takes besides its options."""

    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    what: str = NOTHING


class Verb(NamedTuple):
    """One verb, with its other names; `usage` has a line for each form, `epilog` is what it says itself in the end."""

    name: str
    purpose: str
    usage: tuple[str, ...]
    options: tuple[Option, ...]
    words: tuple[Word, ...]
    aliases: tuple[str, ...] = ()
    epilog: str = ""

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every word that means it."""
        return (self.name, *self.aliases)

    def option(self, spelling: str) -> Option | None:
        """Return the option that is spelled so."""
        return next((each for each in self.options if spelling in each.spellings), None)


def verbs() -> tuple[Verb, ...]:
    """Return every verb, in the order in which the help has them."""
    return tuple(map(verb, VERBS))


def verb(name: str) -> Verb:
    """Return one verb."""
    parser = parser_of(name)
    actions = parser._actions  # noqa: SLF001  argparse has no other way to be asked
    options = tuple(_option(parser, each) for each in actions if each.option_strings)
    words = tuple(word for each in actions if not each.option_strings for word in _words(parser, each))
    aliases = tuple(alias for alias, of in ALIASES.items() if of == name)
    return Verb(name, VERBS[name], _usage(parser), options, words, aliases, parser.epilog or "")


def _usage(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    """Return the forms of a verb: its own, or its words, in brackets those that may be left out."""
    if parser.usage is not None:
        return tuple(" ".join(line.split()) for line in parser.usage.splitlines())
    shown = [
        f"[{_metavar(each)}]" if each.nargs in ("?", "*") else _metavar(each)
        for each in parser._actions  # noqa: SLF001
        if not each.option_strings
    ]
    return (" ".join([parser.prog, *shown, "[options]"]),)


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Option:
    spellings = tuple(action.option_strings)
    choices = tuple(map(str, action.choices or ()))
    flag = action.nargs == 0
    metavar = "" if flag else _metavar(action) or action.dest.upper()
    return Option(
        spellings,
        _help(parser, action),
        metavar,
        choices,
        NOTHING if flag else _what((*spellings, metavar)),
        isinstance(action.default, list),
        action.nargs == "?",
    )


def _words(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[Word]:
    """Yield a word for each one of its metavar: `VS RS WEIGHT` are three."""
    for metavar in (_metavar(action) or action.dest.upper()).split():
        yield Word(metavar, _help(parser, action), tuple(map(str, action.choices or ())), _what((metavar,)))


def _metavar(action: argparse.Action) -> str:
    if action.metavar is None and action.choices is not None:
        return f"{{{','.join(map(str, action.choices))}}}"
    return action.metavar if isinstance(action.metavar, str) else ""


def _what(looked_up: Sequence[str]) -> str:
    if looked_up[-1] == "FILE":
        return FILE
    return next((NAMES[each] for each in looked_up if each in NAMES), NOTHING)


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return what the help says of an argument, with its defaults filled in as argparse does."""
    if not action.help:
        return ""
    values = {key: value for key, value in vars(action).items() if value is not argparse.SUPPRESS}
    return action.help % {**values, "prog": parser.prog}
