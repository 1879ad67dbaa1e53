"""Notifiers: who is told of events, and how their options fit together."""

import ipaddress
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from checks.options import one_of
from healthlb.config.faults import Keys
from healthlb.config.nodes import Mapping as MappingNode
from healthlb.config.nodes import Node, Sequence
from healthlb.config.notifier_options import ALL, COMMON, MAIL_ADDRESS, TOLD, TYPES, UNTOLD
from healthlb.config.real_servers import at
from healthlb.config.walk import WRONG, Walk, Wrong, wrong
from healthlb.model.notifiers import Command, Fifo, Mail, Notifier, Webhook

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "expect"})
SMTP, SMTPS = 25, 465
Read = Callable[[Walk, Mapping[str, Any], MappingNode, Keys], Webhook | Command | Fifo | Mail]


def read_notifier(walk: Walk, name: str, node: Node, keys: Keys) -> Notifier | Wrong:
    """Return a notifier, or WRONG after telling its faults."""
    kind = _type(walk, node, keys)
    if kind is None or not isinstance(node, MappingNode):
        return WRONG
    before = walk.faults.count
    values = walk.fields({**COMMON, **TYPES[kind]}, node, keys)
    if values is None or wrong(*values.values()):
        return WRONG
    for event, place, key in _each(values["events"], node.find("events"), keys / "events"):
        if event in UNTOLD:
            walk.fault(place, key, f"{event} {UNTOLD[event]}")
    settings = READ[kind](walk, values, node, keys)
    if walk.faults.count != before:
        return WRONG
    return Notifier(
        name=name,
        settings=settings,
        events=frozenset(TOLD if ALL in values["events"] else values["events"]),
        virtual_servers=values["virtual_servers"],
        group=values["group"],
        quiet=values["quiet"],
        timeout=values["timeout"],
        retry_for=values["retry_for"],
        queue=values["queue"],
    )


def refuse_strangers(walk: Walk, notifier: Notifier, node: Node, keys: Keys, pools: Collection[str]) -> None:
    """Tell of virtual servers that a notifier names and the file does not have."""
    for name, place, key in _each(notifier.virtual_servers, at(node, "virtual_servers"), keys / "virtual_servers"):
        if name not in pools:
            walk.fault(place, key, f"there is no virtual server named '{name}'{walk.guess(name, pools)}")


def _each(values: tuple[str, ...], listed: Node, keys: Keys) -> Iterator[tuple[str, Node, Keys]]:
    """Yield each value of a list, or the one that stands for a list, with its place."""
    for index, value in enumerate(values):
        yield value, *((listed.items[index], keys / index) if isinstance(listed, Sequence) else (listed, keys))


def _type(walk: Walk, node: Node, keys: Keys) -> str | None:
    """Return the notifier's type, or None after telling why there is none."""
    if not isinstance(node, MappingNode):
        walk.fault(node, keys, f"expected a notifier, found {walk.found(node)}")
        return None
    if not node.has("type"):
        walk.fault(node, keys / "type", f"is missing: a notifier says its type: {one_of(tuple(TYPES))}")
        return None
    kind = walk.read(COMMON["type"].kind, node.find("type"), keys / "type")
    return None if isinstance(kind, Wrong) else str(kind)


def _webhook(walk: Walk, values: Mapping[str, Any], node: MappingNode, keys: Keys) -> Webhook:
    url: str | None = values["url"]
    if url is None and values["url_file"] is None:
        walk.fault(node, keys / "url", "is missing: where it is posted; or give url_file")
    for one, other in (("url_file", "url"), ("template", "preset")):
        if values[one] is not None and values[other] is not None:
            walk.fault(node.find(one), keys / one, f"takes the place of {other}; leave one of them out")
    _headers(walk, values, node, keys)
    if values["ca_file"] is not None and url is not None and not url.lower().startswith("https:"):
        walk.fault(node.find("ca_file"), keys / "ca_file", "is for https, and the URL begins with http:")
    return Webhook(
        url=url,
        url_file=values["url_file"],
        preset=values["preset"] or "json",
        template=values["template"],
        headers=values["headers"],
        header_files=values["header_files"],
        ca_file=values["ca_file"],
    )


def _headers(walk: Walk, values: Mapping[str, Any], node: MappingNode, keys: Keys) -> None:
    seen: set[str] = set()
    for option in ("headers", "header_files"):
        listed = node.find(option)
        for name, _ in values[option]:
            lower = name.lower()
            sentence = ""
            if not HEADER_NAME.fullmatch(name):
                sentence = "cannot be a header's name (RFC 9110 section 5.1)"
            elif lower in OWN_HEADERS:
                sentence = "is set by healthlb"
            elif option == "headers" and lower in SECRET_HEADERS:
                sentence = "is a secret: write its value into a file, and name that under header_files"
            elif lower in seen:
                sentence = "is there twice"
            seen.add(lower)
            if sentence:
                walk.fault(at(listed, name), keys / option / name[:64], sentence)


def _command(walk: Walk, values: Mapping[str, Any], node: MappingNode, keys: Keys) -> Command:
    argv: tuple[str, ...] = values["command"]
    for index, (argument, place, key) in enumerate(_each(argv, node.find("command"), keys / "command")):
        if "\0" in argument:
            walk.fault(place, key, "expected an argument without a NUL character")
        elif index == 0 and not argument.startswith("/"):
            walk.fault(place, key, "expected the program's absolute path, such as /usr/local/bin/page")
    return Command(argv, values["user"], values["format"])


def _fifo(_walk: Walk, values: Mapping[str, Any], _node: MappingNode, _keys: Keys) -> Fifo:
    return Fifo(values["path"])


def _mail(walk: Walk, values: Mapping[str, Any], node: MappingNode, keys: Keys) -> Mail:
    tls, host = values["tls"], values["host"]
    for one, other in (("username", "password_file"), ("password_file", "username")):
        if values[one] is not None and values[other] is None:
            walk.fault(node.find(one), keys / one, f"needs {other} beside it")
    if values["password_file"] is not None and tls == "none" and not _is_here(host):
        walk.fault(
            node.find("password_file"), keys / "password_file", "would go in the clear; give tls: starttls or tls: tls"
        )
    if values["ca_file"] is not None and tls == "none":
        walk.fault(node.find("ca_file"), keys / "ca_file", "is for tls: starttls and tls: tls")
    return Mail(
        to=values["to"],
        sender=values["from"] or _own_address(),
        host=host,
        port=values["port"] or (SMTPS if tls == "tls" else SMTP),
        tls=tls,
        ca_file=values["ca_file"],
        username=values["username"],
        password_file=values["password_file"],
    )


def _is_here(host: str) -> bool:
    """Whether what is sent to a host stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".") == "localhost"


def _own_address() -> str:
    """Return who mail is from where the file does not say it."""
    address = f"healthlb@{os.uname().nodename}"
    return address if re.fullmatch(MAIL_ADDRESS.pattern, address) else "healthlb@localhost"


READ: Mapping[str, Read] = {"webhook": _webhook, "command": _command, "fifo": _fifo, "mail": _mail}
