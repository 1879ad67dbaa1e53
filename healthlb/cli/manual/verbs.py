"""healthlb(1), and a page for every verb."""

from healthlb.cli.grammar import Option, Verb, verbs
from healthlb.cli.manual.roff import Roff, bold, italic, sentence
from healthlb.cli.pages import ENVIRONMENT, FILES, PAGES, SIGNALS, STATUSES, Page

_ABOUT = (
    (
        "healthlb is a director service for IPVS, the load balancer in the Linux kernel: it probes real servers and "
        "keeps the kernel's table true to their health. One YAML file declares what the table should be."
    ),
    (
        "`healthlb run` is the director. The other verbs ask it over HTTP, give it commands over its admin socket, or "
        "read the file by themselves."
    ),
)
_EXAMPLES = (
    ("healthlb validate -c /etc/healthlb/healthlb.yaml", "is the file good?"),
    ("healthlb status", "is anything wrong, where, and why?"),
    ("healthlb events --since 2h", "what happened?"),
    ("healthlb drain --host 192.0.2.11 --wait", "may this machine be rebooted?"),
)


def pages() -> dict[str, str]:
    """Return each page by the name of its file."""
    all_ = verbs()
    made = {"healthlb.1": _main(all_)}
    for verb in all_:
        made |= {f"healthlb-{name}.1": _verb(verb, name) for name in verb.spellings}
    return made


def _main(all_: tuple[Verb, ...]) -> str:
    roff = Roff("healthlb", 1, "keep the IPVS table true to the health of the real servers")
    roff.section("Synopsis")
    roff.forms(("healthlb VERB [options]", "healthlb --help", "healthlb --version"))
    roff.section("Description")
    roff.paragraphs(_ABOUT)
    roff.section("Verbs")
    roff.paragraphs(["Each has a page of its own, healthlb-VERB(1)."])
    for verb in all_:
        roff.item(", ".join(map(bold, verb.spellings)), sentence(verb.purpose))
    _statuses(roff, Page(statuses=STATUSES))
    _surroundings(roff)
    _examples(roff, Page(examples=_EXAMPLES))
    roff.see([*((f"healthlb-{verb.name}", 1) for verb in all_), ("healthlb.yaml", 5), ("ipvsadm", 8)])
    return str(roff)


def _surroundings(roff: Roff) -> None:
    for title, items in (("Environment", ENVIRONMENT), ("Files", FILES), ("Signals", SIGNALS)):
        roff.section(title)
        roff.items(items)


def _verb(verb: Verb, name: str) -> str:
    """Return a verb's page under one of its names."""
    page = PAGES.get(verb.name, Page())
    roff = Roff(f"healthlb-{name}", 1, verb.purpose)
    roff.section("Synopsis")
    roff.forms(verb.usage)
    roff.section("Description")
    roff.paragraphs(page.about or (sentence(verb.purpose),))
    if verb.words:
        roff.section("Arguments")
        for help_, metavars in _arguments(verb).items():
            roff.item(" ".join(map(italic, metavars)), sentence(help_))
    roff.section("Options")
    for option in verb.options:
        roff.item(_spelled(option), sentence(option.help))
    if verb.epilog:
        title, _, text = verb.epilog.partition(":")
        roff.section(title)
        roff.paragraphs([text])
    else:
        _statuses(roff, page)
    if verb.name == "run":
        _surroundings(roff)
    _examples(roff, page)
    roff.see([("healthlb", 1), ("healthlb.yaml", 5)])
    return str(roff)


def _arguments(verb: Verb) -> dict[str, list[str]]:
    """Return the words of a verb by what is said of them: some share one sentence."""
    told: dict[str, list[str]] = {}
    for word in verb.words:
        told.setdefault(word.help, []).append(word.metavar)
    return told


def _spelled(option: Option) -> str:
    names = ", ".join(map(bold, option.spellings))
    if not option.metavar:
        return names
    return f"{names} [{italic(option.metavar)}]" if option.optional else f"{names} {italic(option.metavar)}"


def _statuses(roff: Roff, page: Page) -> None:
    roff.section("Exit status")
    for status, what in (page.statuses or STATUSES).items():
        roff.item(bold(str(status)), sentence(what))


def _examples(roff: Roff, page: Page) -> None:
    if page.examples:
        roff.section("Examples")
    for line, what in page.examples:
        roff.item(bold(line), sentence(what))
