"""`healthlb undrain`, and `enable`: takes back that a real server was drained or disabled."""

import argparse

from healthlb.cli.changing import add_change, body_of, change, target_of
from healthlb.cli.reaching import admin_way


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_change(parser, "VS RS\n--host ADDRESS")


def run(arguments: argparse.Namespace) -> int:
    """Take it back; 0 when it is so."""
    target, _ = target_of(arguments)
    return change(admin_way(arguments), arguments, "POST", f"{target.path}/undrain", body_of(arguments))[0]
