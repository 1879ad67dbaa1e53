"""`healthlb checks`: the check types that are installed, and what each one's options are."""

import argparse
from typing import TYPE_CHECKING

from healthlb.cli.words import UsageError, complain, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from healthlb.config.prepared import CheckReference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("type", nargs="?", metavar="TYPE", help="show this type's options instead of the list of types")
    parser.add_argument("--markdown", action="store_true", help="print the reference of all types as Markdown")


def run(arguments: argparse.Namespace) -> int:
    """Print the list, one type or the whole reference."""
    from healthlb.config import plugins, prepared  # noqa: PLC0415  the check types are asked only by those who need them

    for sentence in plugins.broken():
        complain(sentence)
    if arguments.markdown:
        return _print_all(arguments)
    common, *types = prepared.check_references()
    known = {each.type: each for each in types}
    if arguments.type is None:
        width = max(map(len, known))
        for each in known.values():
            say(f"{each.type:{width}}  {each.summary}")
        return 0
    _print_one(_chosen(arguments.type, known), common)
    return 0


def _chosen(name: str, known: "Mapping[str, CheckReference]") -> "CheckReference":
    if name in known:
        return known[name]
    import difflib  # noqa: PLC0415  only those who mistype wait for it

    near = difflib.get_close_matches(name, known, 1, 0.6)
    guess = f"did you mean '{near[0]}'?" if near else f"known types: {', '.join(known)}"
    raise UsageError(f"there is no check type '{name}'; {guess}")


def _print_one(chosen: "CheckReference", common: "CheckReference") -> None:
    import shutil  # noqa: PLC0415  the list needs neither
    import textwrap  # noqa: PLC0415

    width = min(shutil.get_terminal_size().columns, 120)
    say("\n\n".join(textwrap.fill(paragraph, width) for paragraph in chosen.doc.split("\n\n")))
    for title, options in (("Its own options:", chosen.options), ("Of every check:", common.options)):
        if options:
            say(f"\n{title}")
        for option in options:
            default = f" (default {option.default})" if option.default not in ("", "required") else ""
            required = " (required)" if option.default == "required" else ""
            say(f"  {option.key}: {option.takes}{default}{required}")
            say(textwrap.fill(option.doc, width, initial_indent=" " * 6, subsequent_indent=" " * 6))


def _print_all(arguments: argparse.Namespace) -> int:
    from healthlb.config import reference  # noqa: PLC0415  it imports every check type

    if arguments.type is not None:
        raise UsageError("--markdown prints all types; leave the type out")
    say(reference.markdown().rstrip("\n"))
    return 0
