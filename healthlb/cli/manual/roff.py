"""Writing man(7) pages: paragraphs, lists and examples, with whatever roff(7) would take for its own escaped."""

import re
import textwrap
from collections.abc import Iterable, Mapping

from healthlb import __version__

WRITTEN = "2026-11-22"
"""The date that every page has; it is changed together with the version, so that making them again changes nothing."""
_WIDTH = 78
_SIGNS = str.maketrans({"\\": "\\e", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})
_OPTION = re.compile(r"(?<!\S)-[-a-z]+")


class Roff:
    """One page, written from its head to its end."""

    def __init__(self, name: str, section: int, purpose: str) -> None:
        title = escaped(name).upper()
        self._lines = [
            '.\\" Made by `make docs`; change what the command says of itself instead.',
            f'.TH {title} {section} "{WRITTEN}" "healthlb {__version__}" "healthlb"',
            ".SH NAME",
            f"{escaped(name)} \\- {escaped(purpose)}",
        ]

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

    def section(self, title: str) -> None:
        """Begin a section."""
        self._lines.append(f".SH {title.upper()}")

    def part(self, title: str) -> None:
        """Begin a part of a section."""
        self._lines.append(f".SS {escaped(title)}")

    def forms(self, lines: Iterable[str]) -> None:
        """Show how it is called: the words that are typed as they are stand in bold."""
        for number, line in enumerate(lines):
            self._lines += [".br"] * bool(number)
            self._lines.append(" ".join(_typed(word) for word in line.split()))

    def paragraphs(self, texts: Iterable[str]) -> None:
        """Write paragraphs."""
        for number, text in enumerate(texts):
            self._lines += [".PP"] * bool(number)
            self._text(text)

    def item(self, tag: str, *texts: str) -> None:
        """Write one item of a list; `tag` has its fonts already. Further texts are paragraphs of it."""
        self._lines += [".TP", tag]
        for number, text in enumerate(texts):
            self._lines += [".IP"] * bool(number)
            self._text(text)

    def items(self, of: Mapping[str, str]) -> None:
        """Write a list of names and what they are."""
        for name, text in of.items():
            self.item(bold(name), text)

    def example(self, text: str) -> None:
        """Show lines as they are."""
        lines = [_guarded(line.translate(_SIGNS).replace("-", "\\-")) for line in text.rstrip("\n").split("\n")]
        self._lines += [".RS 4", ".nf", *lines, ".fi", ".RE"]

    def see(self, pages: Iterable[tuple[str, int]]) -> None:
        """Name other pages."""
        named = [f".BR {escaped(name)} ({section})" for name, section in pages]
        self.section("See also")
        self._lines += [f"{line}," for line in named[:-1]] + named[-1:]

    def _text(self, text: str) -> None:
        filled = textwrap.wrap(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)
        self._lines += [_guarded(escaped(line)) for line in filled]


def sentence(text: str) -> str:
    """Return text as a sentence: with a capital, unless it begins with what is no word, and with a full stop."""
    first = text.split(" ", 1)[0]
    begun = text[:1].upper() + text[1:] if first.isalpha() else text
    return begun if begun.endswith((".", "?")) else f"{begun}."


def escaped(text: str) -> str:
    """Return text that roff shows as it is (groff_char(7)): the hyphens of an option stay the sign that is typed."""
    return _OPTION.sub(lambda found: found[0].replace("-", "\\-"), text.translate(_SIGNS))


def bold(text: str) -> str:
    """Return text in bold, as what is typed as it is, each of its hyphens the sign that is typed."""
    return "\\fB" + text.translate(_SIGNS).replace("-", "\\-") + "\\fR"


def italic(text: str) -> str:
    """Return text in italics, as what something else is put in the place of."""
    return f"\\fI{escaped(text)}\\fR"


def _typed(word: str) -> str:
    bare = word.strip("[]")
    shown = italic(bare) if bare.isupper() or bare == "options" else bold(bare)
    return word.replace(bare, shown)


def _guarded(line: str) -> str:
    """Return a line that does not begin with what begins a request of roff."""
    return f"\\&{line}" if line.startswith((".", "'")) else line
