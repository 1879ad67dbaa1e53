"""What every check type and option is: the source of docs/checks.md and of `healthlb checks`.

It comes from the declarations that the loader walks, so it cannot say anything else than the loader does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from checks import Check, Tls, registry
from checks.options import (
    Boolean,
    Choice,
    Duration,
    Either,
    Integer,
    ListOf,
    Matching,
    Record,
    TableOf,
    Text,
    show_seconds,
)
from healthlb.config.check_sections import CommonCheck
from healthlb.config.prepared import CheckReference, OptionReference
from healthlb.config.walk import NamedTable, Option, options_of, words
from healthlb.config.walk_checks import CheckTypes

PROGRAMS = {"keepalived": "keepalived", "ldirectord": "ldirectord", "haproxy": "HAProxy"}
"""The programs whose names are told, as documents spell them."""


def common_reference() -> CheckReference:
    """Return the options of every check."""
    return CheckReference("", "", {}, _all(CommonCheck))


def tls_reference() -> CheckReference:
    """Return what the mappings `tls` and `starttls` hold."""
    return CheckReference("", "", {}, _all(Tls))


def check_references(types: CheckTypes | None = None) -> tuple[CheckReference, ...]:
    """Return every check type, in the order of their names."""
    known = registry.types() if types is None else types
    return tuple(_reference(name, known[name]) for name in sorted(known))


def _reference(name: str, of: type[Check]) -> CheckReference:
    doc = "\n\n".join(_joined(paragraph) for paragraph in (of.__doc__ or name).split("\n\n"))
    return CheckReference(name, doc, dict(of.known_as), _all(of))


def _joined(text: str) -> str:
    return " ".join(text.split())


def _all(of: type) -> tuple[OptionReference, ...]:
    return tuple(references(options_of(of)))


def references(options: Mapping[str, Option], prefix: str = "", *, of_tls: bool = False) -> Iterator[OptionReference]:
    """Yield options as a reader sees them, each followed by those of the mapping that it is."""
    for key, option in options.items():
        name = f"{prefix}{key}"
        yield OptionReference(name, takes(option.kind), _default(option), option.doc, dict(option.known_as), of_tls)
        nested = _nested(option.kind)
        if nested is not None:
            yield from references(options_of(nested), f"{name}.", of_tls=nested is Tls)


def _nested(kind: Any) -> type | None:
    match kind:
        case Record():
            return kind.of
        case ListOf() | TableOf():
            return _nested(kind.kind)
        case Either():
            return next((found for one in kind.kinds if (found := _nested(one)) is not None), None)
        case _:
            return None


def takes(kind: Any) -> str:
    """Return what a kind takes, in a few words with its unit and bounds."""
    match kind:
        case Record():
            return "a mapping"
        case ListOf():
            return f"{takes(kind.kind)}, or a list" if kind.single else f"a list: {takes(kind.kind)}"
        case TableOf():
            return f"a mapping of names: {takes(kind.kind)}"
        case NamedTable():
            return "a mapping of names"
        case Either():
            return ", or ".join(takes(one) for one in kind.kinds)
        case _:
            return _scalar(kind)


def _scalar(kind: Any) -> str:
    match kind:
        case Boolean():
            return "true or false"
        case Text():
            return "text"
        case Integer():
            unit = f"{kind.unit}, " if kind.unit else ""
            return f"{unit}{kind.minimum} to {kind.maximum}"
        case Duration():
            return f"duration, {show_seconds(kind.minimum)} to {show_seconds(kind.maximum)}"
        case Choice():
            return words(kind.words)
        case Matching():
            return kind.expected
        case _:
            return _first_words(type(kind).__doc__ or "")


def _first_words(doc: str) -> str:
    """Return a docstring's first sentence up to its first `;`, to stand in a table."""
    sentence = _joined(doc).split(". ")[0].split(";")[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _default(option: Option) -> str:
    if option.required:
        return "required"
    if option.default is None or "default:" in option.doc:
        return ""
    return shown_value(option.kind, option.default)


def shown_value(kind: Any, value: Any) -> str:
    """Return a value the way that the file spells it."""
    if hasattr(kind, "show"):
        return str(kind.show(value))
    match value:
        case bool():
            return str(value).lower()
        case int() | float() if isinstance(kind, Duration):
            return show_seconds(value)
        case tuple() if isinstance(kind, ListOf):
            return ", ".join(shown_value(kind.kind, each) for each in value) or "[]"
        case tuple():
            return "{}"
        case str() | int() | float():
            return str(value) if value != "" else '""'
        case _:
            return "{}"


def markdown(types: CheckTypes | None = None) -> str:
    """Return docs/checks.md."""
    references = check_references(types)
    sections = [_HEAD, _table(common_reference().options), _TLS, _table(tls_reference().options), "## The types\n"]
    sections.append("\n".join(f"- [`{each.type}`](#{each.type}): {each.summary}" for each in references) + "\n")
    sections += _index(references)
    for each in references:
        sections.append(f"## {each.type}\n\n{each.doc}\n")
        names = "; ".join(f"{PROGRAMS.get(program, program)} {name}" for program, name in each.known_as.items())
        if names:
            sections.append(f"Elsewhere: {names}.\n")
        sections.append(_table(each.without_tls) if each.options else "It has no options of its own.\n")
    return "\n".join(sections)


def _index(references: Sequence[CheckReference]) -> Iterator[str]:
    """Return, for each other program, where its checks are found here."""
    for program, spelled in PROGRAMS.items():
        found = sorted(
            (name.strip(), each.type)
            for each in references
            for name in each.known_as.get(program, "").split(",")
            if name.strip()
        )
        if found:
            rows = "\n".join(f"| {name} | [`{type_}`](#{type_}) |" for name, type_ in found)
            yield f"### From {spelled}\n\n| there | here |\n| --- | --- |\n{rows}\n"


def _table(told: Iterable[OptionReference]) -> str:
    """Return a table of options."""
    options = list(told)
    programs = [program for program in PROGRAMS if any(program in each.known_as for each in options)]
    heads = ["option", "takes", "default", "what it is", *(PROGRAMS[program] for program in programs)]
    lines = [heads, ["---"] * len(heads)]
    for each in options:
        names = [each.known_as.get(program, "") for program in programs]
        cells = [f"`{each.key}`", each.takes, each.default, each.doc, *names]
        lines.append([cell.replace("|", "\\|") for cell in cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


_HEAD = """# Checks

Made from the code by `make docs`; `healthlb checks` prints the same for what is installed, plug-ins included.

A check is configured under `checks` and named by virtual and real servers, or written inline in their `check`. Several
in a list must `all` pass, or `any` of them, as `require` says. Equal checks of one address and port are probed once,
however many real servers rest on them. Secrets are given as files (`…_file`); a file that cannot be read is no failure
of the server: the probe counts as not sent, and its last verdict stands.

What is told of a probe (verdict, evidence, log, events) has `***` in the place of secrets, also where a server repeats
them: what a `…_file` holds; what a variable of the environment gives whose name speaks of one (`${REDIS_PASSWORD}`,
`${API_KEY}`), from 4 bytes on; headers, metadata, query parameters and members of bodies with such names. Never hidden
is what else stands in the file itself, such as a password in `send`, in an SQL `query` or among a script's arguments:
take a variable. Nor is a secret in another spelling than its own or base64: in hexadecimal, as a digest.

## Options of every check
"""

_TLS = """## TLS

What the mappings `tls` (TLS from the first byte) and `starttls` (taken up later, where the protocol has it) hold.
"""
