"""`healthlb add`: adds a real server to a running director, or brings back one that was removed."""

import argparse
import json
from typing import Any

from healthlb.cli.changing import add_change, body_of, change, pool_path
from healthlb.cli.reaching import admin_way
from healthlb.cli.words import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_change(parser, "VS ADDRESS", host=False, words=("VS ADDRESS", "the virtual server, and what to add to it"))
    parser.add_argument("--name", help="its name (default: its address)")
    parser.add_argument("--weight", type=int, metavar="N", help="its weight (default: as the file's servers have it)")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other key that a real server has in the file, its value as text or JSON: --set slow_start=30s",
    )


def run(arguments: argparse.Namespace) -> int:
    """Add it; 0 when it is in the pool."""
    if len(arguments.words) != 2 or not all(arguments.words):
        raise UsageError("say where and what to add: VS ADDRESS (see --help)")
    virtual_server, address = arguments.words
    settings: dict[str, Any] = {"address": address}
    for key, value in (("name", arguments.name), ("weight", arguments.weight)):
        settings |= {} if value is None else {key: value}
    for text in arguments.settings:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"'{text}' sets nothing; write --set KEY=VALUE")
        if key in settings:
            raise UsageError(f"'{key}' is given twice")
        settings[key] = _value(value)
    body = {"real_server": settings} | body_of(arguments)
    return change(admin_way(arguments), arguments, "POST", pool_path(virtual_server), body)[0]


def _value(text: str) -> Any:
    """Return what a value means: JSON where it is, else text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
