"""Gathers the files: the one that was named and those that it includes, each read once."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checks.options import ListOf, Text
from healthlb.config.blocks import split
from healthlb.config.faults import ROOT, Source
from healthlb.config.nodes import Composer, Malformed, Mapping, Node, Scalar
from healthlb.config.reading import Unreadable, decode, read_bytes
from healthlb.config.scalars import resolve
from healthlb.config.sections import FileSection
from healthlb.config.walk import WRONG, Walk, options_of, twice
from healthlb.config.watching import Watched

MOST_FILES = 1000
DEEPEST = 16
INCLUDE = ListOf(Text())
Sections = dict[str, list[tuple[Scalar, Node]]]


class Contents:
    """What the files held when they were first read, so that a second look at them sees the same.

    `watched` is how they looked from outside just before.
    """

    def __init__(self) -> None:
        self._bytes: dict[str, bytes] = {}
        self.watched = Watched()

    def get(self, path: str) -> bytes:
        """Return a file's bytes; raise Unreadable."""
        if path not in self._bytes:
            self._bytes[path] = read_bytes(path)
        return self._bytes[path]


@dataclass(slots=True)
class Gathered:
    """Every section's pieces over all files, in the order of reading, and the hash of all that was read."""

    sections: Sections
    sha256: str
    main: Source


class Gathering:
    """Reads a file and its includes. With `whole`, each is parsed as one document, else split into blocks (Doubt)."""

    def __init__(self, walk: Walk, contents: Contents, *, whole: bool) -> None:
        self._walk = walk
        self._contents = contents
        self._whole = whole
        self._hash = hashlib.sha256()
        self._sections: Sections = {}
        self._seen: dict[str, Source] = {}

    def gather(self, path: str) -> Gathered:
        """Return the sections of a file and of all that it includes; faults are told to the walk."""
        main = Source(path, 0)
        self._contents.watched.look(path)
        self._read(main, lambda message: self._walk.faults.add_file(main, message), ())
        return Gathered(self._sections, self._hash.hexdigest(), main)

    def _read(self, source: Source, complain: Callable[[str], None], above: tuple[str, ...]) -> None:
        real = _real(source.path)
        if real in above:
            complain(f"{source.path} includes itself")
            return
        if real in self._seen:
            complain(f"{source.path} is included twice")
            return
        if len(above) > DEEPEST:
            complain(f"includes are nested deeper than {DEEPEST} files")
            return
        if len(self._seen) >= MOST_FILES:
            complain(f"more than {MOST_FILES} files")
            return
        self._seen[real] = source
        try:
            data = self._contents.get(source.path)
            self._hash.update(data)
            sections = self._parse(decode(data), source)
        except Unreadable as error:
            complain(f"{source.path}: {error}" if above else str(error))
            return
        except Malformed as error:
            self._walk.faults.add(source, error.line, error.column, ROOT, error.message)
            return
        self._take(sections, source, (*above, real))

    def _parse(self, text: str, source: Source) -> list[tuple[Scalar, Node]]:
        if not self._whole:
            return split(text, source)
        root = Composer(text, source).compose()
        if root is None or (isinstance(root, Scalar) and root.plain and resolve(root.text) is None):
            raise Malformed(0, 0, "the file is empty: it needs at least virtual_servers")
        if not isinstance(root, Mapping):
            found = self._walk.found(root)
            raise Malformed(root.line, root.column, f"expected sections such as virtual_servers:, found {found}")
        return self._walk.pairs([root], ROOT)

    def _take(self, sections: list[tuple[Scalar, Node]], source: Source, above: tuple[str, ...]) -> None:
        known = options_of(FileSection)
        includes: Node | None = None
        taken: dict[str, Scalar] = {}
        for key, value in sections:
            if key.text not in known:
                message = self._walk.unknown(key.text, known, {})
                self._walk.fault(key, ROOT / key.text[:64], message)
            elif key.text in taken:
                self._walk.fault(key, ROOT / key.text, twice(key, taken[key.text]))
            elif key.text == "include":
                includes = value
            else:
                self._sections.setdefault(key.text, []).append((key, value))
            taken.setdefault(key.text, key)
        if includes is not None:
            self._include(includes, source, above)

    def _include(self, node: Node, source: Source, above: tuple[str, ...]) -> None:
        keys = ROOT / "include"
        patterns = self._walk.read(INCLUDE, node, keys)
        if patterns is WRONG:
            return
        folder = str(Path(source.path).parent)
        for index, pattern in enumerate(patterns):
            at = node.items[index] if hasattr(node, "items") else node

            def complain(message: str, at: Node = at, index: int = index) -> None:
                self._walk.fault(at, keys / index, message)

            if "\0" in pattern:
                complain("expected a path, found a NUL character")
                continue
            for found in self._contents.watched.find(folder, pattern):
                self._read(Source(found, len(self._seen)), complain, above)


def _real(path: str) -> str:
    """Return a path without symbolic links; where they may not be read, opening the file tells."""
    try:
        return os.path.realpath(path)
    except OSError:
        return path
