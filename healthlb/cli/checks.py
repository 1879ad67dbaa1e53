"""`healthlb checks`: the check types that are installed, and what each one's options are."""

import argparse
import difflib
import shutil
import textwrap

from healthlb.cli.words import UsageError, complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("type", nargs="?", metavar="TYPE", help="show this type's options instead of the list of types")
    parser.add_argument("--markdown", action="store_true", help="print the reference of all types as Markdown")


def run(arguments: argparse.Namespace) -> int:
    """Print the list, one type or the whole reference."""
    from healthlb.config import plugins, reference  # noqa: PLC0415  the check types are imported only where they are needed

    for sentence in plugins.broken():
        complain(sentence)
    if arguments.markdown:
        if arguments.type is not None:
            raise UsageError("--markdown prints all types; leave the type out")
        say(reference.markdown().rstrip("\n"))
        return 0
    known = {each.type: each for each in reference.check_references()}
    if arguments.type is None:
        width = max(map(len, known))
        for each in known.values():
            say(f"{each.type:{width}}  {each.summary}")
        return 0
    if arguments.type not in known:
        near = difflib.get_close_matches(arguments.type, known, 1, 0.6)
        guess = f"did you mean '{near[0]}'?" if near else f"known types: {', '.join(known)}"
        raise UsageError(f"there is no check type '{arguments.type}'; {guess}")
    chosen = known[arguments.type]
    width = min(shutil.get_terminal_size().columns, 120)
    say("\n\n".join(textwrap.fill(paragraph, width) for paragraph in chosen.doc.split("\n\n")))
    for title, options in (
        ("Its own options:", chosen.options),
        ("Of every check:", reference.common_reference().options),
    ):
        if options:
            say(f"\n{title}")
        for option in options:
            default = f" (default {option.default})" if option.default not in ("", "required") else ""
            required = " (required)" if option.default == "required" else ""
            say(f"  {option.key}: {option.takes}{default}{required}")
            say(textwrap.fill(option.doc, width, initial_indent=" " * 6, subsequent_indent=" " * 6))
    return 0
