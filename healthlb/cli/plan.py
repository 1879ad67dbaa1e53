"""`healthlb plan`: what a reload of a file would change in the kernel."""

import argparse
import json
from typing import TYPE_CHECKING

from healthlb.cli import client
from healthlb.cli.reaching import way_of
from healthlb.cli.table import printable
from healthlb.cli.words import UsageError, add_file, complain, load, say

if TYPE_CHECKING:
    from healthlb.cli.running import Running
    from healthlb.core.amend import Amended
    from healthlb.core.rehearsal import Rehearsal
    from healthlb.model.config import Config, RealServer
    from healthlb.model.overrides import Addition


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_file(parser)
    parser.add_argument("--url", help="the running director (default: where the file's api.listen says)")
    parser.add_argument(
        "--limit",
        type=_percent,
        metavar="PERCENT",
        help="exit status 1 when a reload would take out more than this share of the live weight, 20%% say",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the operations; 0 none, 2 some, 1 where the table cannot be read or more goes out than the limit allows.

    Raise UsageError as a reload refuses.
    """
    from healthlb.core.rehearsal import rehearse  # noqa: PLC0415  the other verbs need none of them
    from healthlb.daemon.preflight import unsupported  # noqa: PLC0415
    from healthlb.linux.ipvs import KernelTable  # noqa: PLC0415
    from healthlb.linux.table import TableUnavailableError  # noqa: PLC0415

    _, file = load(arguments.config)
    now = _running(file, arguments.url)
    amended = _amended(file, now)
    config = amended.config
    try:
        table = KernelTable()
        try:
            actual = table.read().table
            refused = unsupported(table, config, {})
        finally:
            table.close()
    except TableUnavailableError as error:
        complain(str(error))
        return 1
    if refused:
        raise UsageError(f"a reload would be refused: {refused}")
    services, overrides = frozenset(now.levels), now.orders.overrides
    rehearsal = rehearse(config, actual, now.known, services, now.now, overrides=overrides, levels=now.levels)
    operations = [str(operation) for operation in rehearsal.operations]
    share, limit = round(rehearsal.share * 100, 9), arguments.limit  # 7 of 100 is 7 %, and not a little more
    notes = [
        *amended.notes,
        *_guesses(now),
        *_limited(share, config.director.max_reload_change if now.most is None else now.most),
    ]
    lost = _lost(rehearsal, config, now)
    if arguments.json:
        whole = {"operations": operations, "waiting": list(rehearsal.waiting), "notes": notes}
        say(json.dumps(whole | {"takes_out_percent": round(share, 3), "takes_out": lost}, indent=2))
    else:
        for line in operations:
            say(line)
        for name in rehearsal.waiting:
            say(f"wait for the first verdict on {name}")
        if not operations and not rehearsal.waiting:
            say("nothing to change")
        for note in notes:
            say(f"note: {printable(note)}")
    if limit is not None and share > limit:
        named = ", ".join(lost[:10]) + (f" and {len(lost) - 10} more" if len(lost) > 10 else "")
        complain(f"a reload would take out {_shown(share)} of the live weight, more than {_shown(limit)}: {named}")
        return 1
    return 2 if operations or rehearsal.waiting else 0


def _running(file: "Config", url: str | None) -> "Running":
    """Return what the director that runs knows; nothing, and a notice, without one."""
    from healthlb.cli.running import Running, running  # noqa: PLC0415

    way = client.Way(url or client.url_of(file.api.listen))
    try:
        return running(way, way if url is not None else _admin(file), file)
    except (client.UnreachableError, client.WrongUrlError) as error:
        complain(f"planned from the kernel's rows alone: {error}")
        return Running()


def _admin(file: "Config") -> client.Way | None:
    try:
        return way_of(file)
    except UsageError:
        return None  # no admin listener, or a token that is none: then the status alone tells


def _amended(file: "Config", now: "Running") -> "Amended":
    """Return what the file and the operators' orders come to."""
    from healthlb.core.amend import amend, to_build, without_removed  # noqa: PLC0415

    bare = without_removed(file, now.orders.removals)
    return amend(file, now.orders, {each: _built(bare, each) for each in to_build(file, now.orders)})


def _built(bare: "Config", addition: "Addition") -> "RealServer | str":
    """Return the server that an addition makes, or in one sentence why it cannot be."""
    from healthlb.config.addition import added  # noqa: PLC0415
    from healthlb.config.faults import ConfigError  # noqa: PLC0415

    try:
        return added(bare, addition.virtual_server, addition.settings)
    except ConfigError as error:
        return "; ".join(str(error).splitlines())


def _lost(rehearsal: "Rehearsal", config: "Config", now: "Running") -> list[str]:
    """Return the destinations that lose live weight, with their virtual servers' names where those are known."""
    names = {pool.service.key: pool.name for pool in config.virtual_servers.values()}
    names = {key: level.server.name for key, level in now.levels.items()} | names
    return [f"{address} in {names.get(key, str(key))}" for key, address in rehearsal.lost]


def _guesses(now: "Running") -> list[str]:
    return [
        f"{each.virtual_server}: {each.address} is planned with what the status shows of it; its settings are told to "
        "those who may change them"
        for each in now.guessed
    ]


def _limited(share: float, most: float) -> list[str]:
    if share <= most:
        return []
    return [f"it takes out {_shown(share)} of the live weight; with max_reload_change {_shown(most)} it needs --force"]


def _shown(percent: float) -> str:
    """Return `12.5 %`."""
    return f"{percent:.1f}".removesuffix(".0") + " %"


def _percent(text: str) -> float:
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError(f"'{text}' is no share; write 20%")
    return percent
