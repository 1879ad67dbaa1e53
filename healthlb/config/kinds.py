"""The scalars that only a director's file has: addresses, names, firewall marks, netmasks, shares, whole seconds.

Names of hosts are never resolved: the director must start, and start the same way, while DNS is down.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from checks.options import Duration, name_of, show_seconds
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint

NAME = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.:\[\]-]{0,127}", re.ASCII)
DOTTED = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?", re.ASCII)
PORT = re.compile(r"[0-9]{1,9}", re.ASCII)
INTERFACE = re.compile(r"[!-.0-9;-~]{1,15}")
NAMESPACE = re.compile(r"/[^\x00]+|[!-.0-~]{1,255}")
SHARE = re.compile(r"(?P<number>[0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%", re.ASCII)
BRACKETS = re.compile(r"\[(?P<address>[^\]]*)\](?::(?P<port>.*))?", re.DOTALL)


class Name:
    """A name that stands in URLs, metrics and on command lines without quoting."""

    def parse(self, value: Any) -> str:
        """Take a name."""
        if not isinstance(value, str):
            raise ValueError(f"expected a name, found {name_of(value)}; put it in quotes")
        if not NAME.fullmatch(value):
            raise ValueError(
                f"{name_of(value)} is no name: up to 128 letters, digits and _ . : [ ] -, beginning with a letter, "
                "a digit, _ or ["
            )
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "pattern": f"^{NAME.pattern}$"}


def parse_address(text: str, who: str = "real servers are addresses") -> str:
    """Return an IPv4 or IPv6 address in its canonical spelling; ValueError says what is wrong with it."""
    if DOTTED.fullmatch(text):
        parts = text.split(".")
        if any(len(part) > 1 and part[0] == "0" for part in parts):
            raise ValueError(f"'{text}' has a leading zero, which some programs read as octal; leave the zero out")
        if len(parts) != 4 or any(len(part) > 3 or int(part) > 255 for part in parts):
            raise ValueError(f"'{text[:60]}' is no IPv4 address: four numbers of 0 to 255")
        return text
    if ":" not in text:
        if HOST_NAME.fullmatch(text):
            raise ValueError(f"'{text[:60]}' is a host name; {who}, so that the director starts while DNS is down")
        raise ValueError(f"{name_of(text)} is no IPv4 or IPv6 address")
    if "%" in text:
        raise ValueError(f"{name_of(text)} names an interface after '%', which an IPVS row cannot hold")
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError(f"{name_of(text)} is no IPv6 address") from None
    if address.ipv4_mapped is not None:
        raise ValueError(f"'{text}' is an IPv4 address in IPv6 clothes; write {address.ipv4_mapped}")
    return str(address)


def refuse_unusable(address: str) -> None:
    """Raise ValueError for an address that no single host can have (RFC 1122 section 3.2.1.3, RFC 4291 section 2)."""
    first, _, rest = address.partition(".")
    if rest and first != "0" and int(first) < 224:
        return
    value = ipaddress.ip_address(address)
    for what, is_it in (
        ("the unspecified address", value.is_unspecified),
        ("a multicast address", value.is_multicast),
        ("the broadcast address", address == "255.255.255.255"),
        ("a reserved address", value.version == 4),
    ):
        if is_it:
            raise ValueError(f"{address} is {what}; no host answers at it alone")


def parse_port(text: str, *, zero: bool) -> int:
    """Return a port; ValueError says what is wrong with it."""
    if not PORT.fullmatch(text) or (len(text) > 1 and text[0] == "0"):
        raise ValueError(f"{name_of(text)} is no port: a number of 1 to 65535")
    port = int(text)
    if port > 65535 or (port == 0 and not zero):
        raise ValueError(f"port {port} is out of range: 1 to 65535")
    return port


class Address:
    """An address without a port; becomes its canonical text."""

    def parse(self, value: Any) -> str:
        """Take an IPv4 or IPv6 address, the latter with or without brackets."""
        if not isinstance(value, str):
            raise ValueError(f"expected an address, found {name_of(value)}")
        address = parse_address(value.removeprefix("[").removesuffix("]"), "addresses are numbers")
        refuse_unusable(address)
        return address

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "pattern": r"^([0-9.]+|\[?[0-9A-Fa-f:.]+\]?)$"}


@dataclass(frozen=True, slots=True)
class Place:
    """An address and a port, `192.0.2.1:80` or `[2001:db8::1]:443`; becomes (address, port), port None where optional.

    `any_address` also takes the unspecified address, on which a listener may bind.
    """

    port: bool = True
    zero: bool = True
    any_address: bool = False

    def parse(self, value: Any) -> tuple[str, int | None]:
        """Take an address with its port."""
        if not isinstance(value, str):
            hint = "; an IPv6 address in brackets needs quotes" if isinstance(value, list) else ""
            raise ValueError(f"expected an address and port such as 192.0.2.1:80, found {name_of(value)}{hint}")
        text, port_text = self._split(value)
        address = parse_address(text)
        if not (self.any_address and ipaddress.ip_address(address).is_unspecified):
            refuse_unusable(address)
        if port_text is None:
            if self.port:
                shown = f"[{address}]" if ":" in address else address
                raise ValueError(f"'{value[:60]}' lacks a port: write {shown}:PORT")
            return address, None
        return address, parse_port(port_text, zero=self.zero)

    def _split(self, value: str) -> tuple[str, str | None]:
        if value.startswith("["):
            match = BRACKETS.fullmatch(value)
            if match is None or ":" not in match["address"]:
                raise ValueError(f"{name_of(value)} is no address and port such as [2001:db8::1]:443")
            return match["address"], match["port"]
        if value.count(":") > 1:
            raise ValueError(
                f"{name_of(value)} does not say where the address ends; write [2001:db8::1] or [2001:db8::1]:443"
            )
        address, colon, port = value.partition(":")
        return address, port if colon else None

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        port = ":[0-9]+" if self.port else "(:[0-9]+)?"
        return {"type": "string", "pattern": rf"^([0-9.]+|\[[0-9A-Fa-f:.]+\]){port}$"}


@dataclass(frozen=True, slots=True)
class Listen:
    """Where HTTP is served: an address and port, or `unix:/path`; `none` becomes None where that is allowed."""

    none: bool = False

    def parse(self, value: Any) -> Listener | None:
        """Take a listener."""
        if value == "none" and self.none:
            return None
        if isinstance(value, str) and value.startswith("unix:"):
            path = value.removeprefix("unix:")
            if not path.startswith("/") or "\0" in path or len(path.encode()) > 107:
                raise ValueError(f"{name_of(value)} is no UNIX socket: unix:/path of at most 107 bytes (unix(7))")
            return Listener(path=path)
        if isinstance(value, str) and value.partition(":")[0] == "localhost":
            raise ValueError(f"{name_of(value)} is a host name; write 127.0.0.1 or [::1]")
        address, port = Place(zero=False, any_address=True).parse(value)
        return Listener(endpoint=Endpoint(address, port or 0))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        forms: list[dict[str, Any]] = [Place().schema(), {"type": "string", "pattern": "^unix:/"}]
        return {"anyOf": [*forms, {"const": "none"}] if self.none else forms}

    def show(self, value: Listener | None) -> str:
        """Return a listener the way that the file spells it."""
        return "none" if value is None else str(value)


class FilePath:
    """An absolute path. What is there is looked at when it is used, not when the file is read."""

    def parse(self, value: Any) -> str:
        """Take a path."""
        if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
            raise ValueError(f"expected an absolute path such as /etc/healthlb/token, found {name_of(value)}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "pattern": "^/"}


class Interface:
    """The name of a network interface, by the kernel's rule (net/core/dev.c, dev_valid_name)."""

    def parse(self, value: Any) -> str:
        """Take a name. Whether there is such an interface is seen by each probe: it may come and go."""
        if not isinstance(value, str) or not INTERFACE.fullmatch(value) or value in {".", ".."}:
            raise ValueError(
                f"expected an interface such as eth0, found {name_of(value)}; a name has up to 15 characters, "
                "without spaces, / and :"
            )
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "pattern": f"^{INTERFACE.pattern}$"}


class Namespace:
    """A network namespace: a name under /run/netns (ip-netns(8)), or an absolute path."""

    def parse(self, value: Any) -> str:
        """Take a name or a path. Whether it is there is seen by each probe: it may come and go."""
        if not isinstance(value, str) or not NAMESPACE.fullmatch(value) or value in {".", ".."}:
            raise ValueError(f"expected a network namespace such as blue or /proc/4711/ns/net, found {name_of(value)}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": "string", "pattern": f"^(?:{NAMESPACE.pattern})$"}


@dataclass(frozen=True, slots=True)
class WholeSeconds:
    """A duration that the kernel keeps in whole seconds; becomes an int of at least 1."""

    maximum: int

    def parse(self, value: Any) -> int:
        """Take a duration without a fraction of a second."""
        seconds = Duration(0, 1e12).parse(value)
        if seconds != int(seconds):
            raise ValueError(f"{value} has a fraction of a second; the kernel counts whole seconds")
        if not 1 <= seconds <= self.maximum:
            raise ValueError(f"{value} is out of range: 1s to {show_seconds(self.maximum)}")
        return int(seconds)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        number, text = Duration().schema()["anyOf"]
        return {"anyOf": [{**number, "minimum": 1, "maximum": self.maximum}, text]}


@dataclass(frozen=True, slots=True)
class Prefix:
    """How much of a client's address counts: bits, and whether they were spelt as a dotted IPv4 netmask."""

    bits: int
    dotted: bool


class Netmask:
    """A netmask, `255.255.255.0`, or a prefix length, `24` or `/64`; becomes a Prefix."""

    def parse(self, value: Any) -> Prefix:
        """Take a netmask or a prefix length."""
        if isinstance(value, int) and not isinstance(value, bool):
            return self._prefix(value, value)
        if isinstance(value, str) and PORT.fullmatch(value.removeprefix("/")):
            return self._prefix(int(value.removeprefix("/")), value)
        if not isinstance(value, str) or not DOTTED.fullmatch(value):
            raise ValueError(f"expected a netmask such as 255.255.255.0 or /64, found {name_of(value)}")
        mask = int(ipaddress.IPv4Address(parse_address(value)))
        bits = mask.bit_count()
        if mask != (0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF or not bits:
            raise ValueError(f"'{value}' is no netmask: ones from the left, then zeros, and at least one one")
        return Prefix(bits, dotted=True)

    def _prefix(self, bits: int, value: Any) -> Prefix:
        if not 1 <= bits <= 128:
            raise ValueError(f"{value} is out of range: a prefix of 1 to 32 bits for IPv4, 1 to 128 for IPv6")
        return Prefix(bits, dotted=False)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 128},
                {"type": "string", "pattern": r"^(/?[0-9]{1,9}|[0-9]+(\.[0-9]+){3})$"},
            ]
        }


class Percent:
    """A share, `50%` or the bare number 50; becomes a float of 0 to 100."""

    def parse(self, value: Any) -> float:
        """Take a percentage. A bare number between 0 and 1 may be meant as a fraction, so it is refused."""
        match = SHARE.fullmatch(value) if isinstance(value, str) else None
        if match is None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"expected a percentage such as 50%, found {name_of(value)}")
        percent = float(value if match is None else match["number"])
        if match is None and 0 < percent < 1:
            raise ValueError(f"{value} may be meant as {percent * 100:g}% or as {value}%; write it with its sign")
        if not 0 <= percent <= 100:
            raise ValueError(f"{value} is out of range: 0% to 100%")
        return percent

    def show(self, value: float) -> str:
        """Return a percentage the way that the file spells it."""
        return f"{value:g}%"

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 100},
                {"type": "string", "pattern": f"^{SHARE.pattern.replace('?P<number>', '')}$"},
            ]
        }
