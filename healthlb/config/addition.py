"""A real server that is added at run time: a JSON object, read as an item of `real_servers` is.

JSON is YAML but for the spelling of characters beyond U+FFFF (RFC 8259 section 7), so one reader serves both, and a
fault has its place in the text. Variables of the environment are the file's alone: in a request, `$` is a character.
"""

import json
import re
from typing import Any, cast

from checks import registry
from checks.options import name_of
from healthlb.config.faults import ROOT, ConfigError, Faults, Source
from healthlb.config.nodes import Composer, Malformed, Node, Scalar
from healthlb.config.nodes import Mapping as MappingNode
from healthlb.config.real_servers import Pattern, Pool, read_real_server
from healthlb.config.scalars import resolve
from healthlb.config.walk_checks import CheckTypes, CheckWalk, Configured
from healthlb.model.config import Config, RealServer, VirtualServer

REQUEST = Source("the request", 0)
PAIR = re.compile(r"((?<!\\)(?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class TakenError(ConfigError):
    """The settings are sound, and the pool has a server of that address or name already."""


def added(config: Config, virtual_server: str, settings: str, *, types: CheckTypes | None = None) -> RealServer:
    """Return the real server that `settings`, a JSON object, adds to a virtual server of a configuration.

    What it does not say it takes from its virtual server; its checks may be named as in the file. Raises ConfigError
    with every fault, the places being those in `settings`, and TakenError where the pool has its address or its name.
    """
    faults = Faults()
    pool = config.virtual_servers.get(virtual_server)
    if pool is None:
        faults.add_file(REQUEST, f"there is no virtual server {name_of(virtual_server)}")
        raise faults.error()
    named = cast("dict[str, Configured]", dict(config.named))
    walk = _Request(faults, {}, registry.types() if types is None else types, named, lambda value: value)
    node = composed(settings, faults)
    place = Pool(virtual_server, pool.service, cast("Pattern", pool.pattern), origin="runtime")
    server = None if node is None else read_real_server(walk, place, node, ROOT)
    if faults or server is None or node is None:
        raise faults.error()
    _refuse_taken(walk, pool, server, node)
    if faults:
        raise TakenError(faults.error().faults)
    return server


class _Request(CheckWalk):
    """A walk through a request."""

    def value(self, node: Node) -> Any:
        """Return a scalar's value as it is written."""
        if isinstance(node, Scalar):
            return resolve(node.text) if node.plain else node.text
        return super().value(node)


def composed(settings: str, faults: Faults) -> MappingNode | None:
    """Return the tree of a JSON object, or None after telling why it is none."""
    try:
        json.loads(settings, parse_int=str, parse_float=str)
        node = Composer(PAIR.sub(_joined, settings), REQUEST).compose()
    except json.JSONDecodeError as error:
        faults.add(REQUEST, error.lineno - 1, error.colno - 1, ROOT, f"not JSON: {error.msg}")
    except RecursionError:
        faults.add_file(REQUEST, "nested too deeply")
    except UnicodeEncodeError:
        faults.add_file(REQUEST, "half of a surrogate pair, which UTF-8 cannot carry")
    except Malformed as error:
        faults.add(REQUEST, error.line, error.column, ROOT, error.message)
    else:
        if isinstance(node, MappingNode):
            return node
        faults.add(REQUEST, 0, 0, ROOT, 'expected an object such as {"address": "192.0.2.1:80"}')
    return None


def _joined(match: re.Match[str]) -> str:
    """Return a surrogate pair as the one character that it spells."""
    high, low = int(match[2], 16), int(match[3], 16)
    character = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
    return f"{match[1]}\\U{character:08X}"


def _refuse_taken(walk: CheckWalk, pool: VirtualServer, server: RealServer, node: MappingNode) -> None:
    for other in (*pool.real_servers, *pool.sorry_servers):
        if other.address == server.address:
            walk.fault(node.find("address"), ROOT / "address", f"{server.address} is in this pool already")
            return
        if other.name == server.name:
            walk.fault(node.find("name"), ROOT / "name", f"the name {server.name} is in this pool already")
            return
