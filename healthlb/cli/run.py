"""`healthlb run`: the director itself."""

import argparse
import os
import sys
from typing import TextIO

from healthlb.cli.words import UsageError, add_file, complain, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_file(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="real probes and API, a table in memory, the kernel untouched"
    )
    parser.add_argument("--log", choices=("text", "json"), default="text", help="how log lines look (default text)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    from healthlb.daemon.signals import hold_signals  # noqa: PLC0415

    hold_signals()  # what follows takes a second on a busy machine, and an early SIGHUP must not end it
    import asyncio  # noqa: PLC0415  the other verbs need no loop

    from healthlb.daemon.app import StartError, serve  # noqa: PLC0415
    from healthlb.daemon.logs import Logs  # noqa: PLC0415
    from healthlb.linux.ipvs import KernelTable  # noqa: PLC0415
    from healthlb.linux.memory import MemoryTable  # noqa: PLC0415
    from healthlb.linux.table import TableUnavailableError  # noqa: PLC0415

    loader, config = load(arguments.config)
    logs = Logs(arguments.log, sys.stderr, journal=_is_journal(sys.stderr))
    try:
        table = MemoryTable() if arguments.dry_run else KernelTable()
    except TableUnavailableError as error:
        raise UsageError(str(error)) from error
    logs.start()
    try:
        return asyncio.run(serve(loader, config, table, kernel=not arguments.dry_run))
    except (StartError, TableUnavailableError, TimeoutError) as error:
        complain(str(error) or "the table does not answer")
        return 2
    finally:
        logs.stop()
        table.close()


def _is_journal(stream: TextIO) -> bool:
    """Tell whether a stream goes to the journal: the variable is inherited by children that write elsewhere.

    systemd.exec(5), JOURNAL_STREAM: the device and inode numbers, with a colon between.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
