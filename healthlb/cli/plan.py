"""`healthlb plan`: what a reload of a file would change in the kernel."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from healthlb.cli import client
from healthlb.cli.words import UsageError, add_file, complain, load, say

if TYPE_CHECKING:
    from healthlb.core.desired import Standing
    from healthlb.core.rehearsal import Known
    from healthlb.model.table import ServiceKey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_file(parser)
    parser.add_argument("--url", help="the running director (default: where the file's api.listen says)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the operations; 0 none, 2 some, 1 where the table cannot be read. Raise UsageError as a reload refuses."""
    from healthlb.core.rehearsal import rehearse  # noqa: PLC0415  the other verbs need none of them
    from healthlb.daemon.preflight import unsupported  # noqa: PLC0415
    from healthlb.linux.ipvs import KernelTable  # noqa: PLC0415
    from healthlb.linux.table import TableUnavailableError  # noqa: PLC0415

    _, config = load(arguments.config)
    known, former = _running(arguments.url or client.url_of(config.api.listen))
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
    rehearsal = rehearse(config, actual, known, former)
    operations = [str(operation) for operation in rehearsal.operations]
    if arguments.json:
        say(json.dumps({"operations": operations, "waiting": list(rehearsal.waiting)}, indent=2))
    else:
        for line in operations:
            say(line)
        for name in rehearsal.waiting:
            say(f"wait for the first verdict on {name}")
        if not operations and not rehearsal.waiting:
            say("nothing to change")
    return 2 if operations or rehearsal.waiting else 0


def _running(url: str) -> "tuple[Known, frozenset[ServiceKey]]":
    """Return what the director that runs knows, and its services; nothing of either, and a notice, without one."""
    try:
        _, status = client.fetch_object(url, "/api/v1/status")
    except (client.UnreachableError, client.WrongUrlError) as error:
        complain(f"planned from the kernel's rows alone: {error}")
        return {}, frozenset()
    known = {}
    services = set()
    try:
        for pool in status["virtual_servers"]:
            services.add(_service(pool))
            for server in pool["real_servers"]:
                known[pool["name"], _endpoint(server["address"])] = _standing(server)
    except (KeyError, TypeError, ValueError, AttributeError):
        complain(
            "planned from the kernel's rows alone: "
            f"what answers at {url} is no healthlb director that this version understands."
        )
        return {}, frozenset()
    return known, frozenset(services)


def _standing(server: dict[str, Any]) -> "Standing":
    from healthlb.core.desired import Standing  # noqa: PLC0415
    from healthlb.model.health import Feedback, Health  # noqa: PLC0415

    said = [check["feedback"] for check in server["checks"] if check.get("feedback") is not None]
    feedback = tuple(Feedback(each["weight"], each["percent"], each["admin"]) for each in said)
    return Standing(Health(server["health"]), feedback=feedback)


def _service(pool: dict[str, Any]) -> "ServiceKey":
    from healthlb.model.table import ServiceKey  # noqa: PLC0415

    if pool["fwmark"] is not None:
        return ServiceKey.marked(pool["fwmark"], pool["family"])
    return ServiceKey.at(pool["protocol"], _endpoint(pool["address"]))


def _endpoint(text: str) -> Any:
    from healthlb.model.endpoint import Endpoint  # noqa: PLC0415

    address, _, port = text.rpartition(":")
    return Endpoint(address.strip("[]"), int(port))
