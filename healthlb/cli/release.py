"""`healthlb release`: what a master that died left in the kernel is taken out of it."""

import argparse
import os

from healthlb.cli.words import complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments: there are none, for all is written down."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Remove what is written down; 0 when nothing is left, 1 where something stays or a director still speaks."""
    from healthlb.daemon.pair_claims import Claims, HeldError  # noqa: PLC0415  it opens sockets of the kernel

    del arguments
    claims = Claims()
    try:
        written = claims.written()
        problems = claims.clean()
    except HeldError as error:
        complain(f"{error}; stop it, or hand over with `healthlb failover`.")
        return 1
    for problem in problems:
        complain(problem)
    if problems:
        _hint()
        return 1
    for what in written:
        say(f"released {what}")
    if claims.elsewhere():
        say("nothing of this network namespace is written down, but something of another: release it there")
    elif not written:
        say("no director left anything behind")
    return 0


def _hint() -> None:
    """Say what it takes, where that is missing (capabilities(7))."""
    if os.geteuid() != 0:
        complain("it takes what the director itself takes: run it as root, or as its user with CAP_NET_ADMIN")
