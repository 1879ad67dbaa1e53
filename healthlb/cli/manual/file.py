"""healthlb.yaml(5), from the declarations by which the file is read."""

from collections.abc import Iterable, Mapping

from healthlb.cli.manual.roff import Roff, bold
from healthlb.config.notifier_options import COMMON, TYPES
from healthlb.config.prepared import OptionReference
from healthlb.config.reference import check_references, common_reference, references, tls_reference
from healthlb.config.sections import ApiSection, DirectorSection, FileSection
from healthlb.config.server_sections import VirtualServerSection
from healthlb.config.walk import Option, options_of

_ABOUT = (
    (
        "The file is YAML and strict: an unknown key, a key that is there twice, a wrong type or an impossible value "
        "is a fault, told with its line and column, and every fault is told at once. A director that runs keeps what "
        "was in force when the new file has a fault."
    ),
    (
        "Durations are 500ms, 2s, 1m, 2h, or a bare number of seconds. In text, ${NAME} and ${NAME:-default} stand for "
        "variables of the environment, and $$ for a dollar sign. Secrets are given as files (keys that end in _file)."
    ),
    "Below, a key within a mapping is written with a dot: quorum.up is the key up of the mapping quorum.",
)
_EXAMPLE = """\
checks:
  web: {type: http, path: /healthz, interval: 2s}
virtual_servers:
  shop:
    address: 192.0.2.10:80
    scheduler: wlc
    method: nat
    check: web
    quorum: {up: 1}
    real_servers:
      - 192.0.2.11:8080
      - {address: 192.0.2.12:8080, name: web2, weight: 2}
"""


def pages() -> dict[str, str]:
    """Return the page by the name of its file."""
    roff = Roff("healthlb.yaml", 5, "the configuration of healthlb")
    roff.section("Description")
    roff.paragraphs(_ABOUT)
    roff.section("Example")
    roff.example(_EXAMPLE)
    _keys(roff, "Keys of the file", options_of(FileSection), nested=False)
    _keys(roff, "director", options_of(DirectorSection))
    _keys(roff, "api", options_of(ApiSection))
    _checks(roff)
    _keys(roff, "Virtual servers", options_of(VirtualServerSection))
    _notifiers(roff)
    roff.see([("healthlb", 1), ("healthlb-validate", 1), ("healthlb-checks", 1), ("healthlb-schema", 1)])
    return {"healthlb.yaml.5": str(roff)}


def _keys(roff: Roff, title: str, options: Mapping[str, Option], *, nested: bool = True) -> None:
    roff.section(title)
    _list(roff, (each for each in references(options) if nested or "." not in each.key))


def _list(roff: Roff, options: Iterable[OptionReference]) -> None:
    """Write what each option takes and is."""
    for each in options:
        takes = each.takes.replace("`", "")
        if each.default not in ("", "{}"):
            takes += "; required" if each.default == "required" else f"; default {each.default}"
        roff.item(bold(each.key), each.doc, f"Value: {takes}.")


def _checks(roff: Roff) -> None:
    roff.section("Checks")
    roff.paragraphs(["Every check has these keys, and those of its type."])
    _list(roff, common_reference().options)
    roff.part("The mappings tls and starttls")
    _list(roff, tls_reference().options)
    for each in check_references():
        roff.part(f"type: {each.type}")
        roff.paragraphs(each.doc.split("\n\n"))
        _list(roff, each.without_tls)


def _notifiers(roff: Roff) -> None:
    _keys(roff, "Notifiers", COMMON)
    for name, options in TYPES.items():
        roff.part(f"type: {name}")
        _list(roff, references(options))
