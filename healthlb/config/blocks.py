"""Splits a file by indentation, so that a reload parses only the virtual and real servers whose text has changed.

The split is a guess about the text, proved by the parse: each block is composed alone and must be exactly the one key
(or the run of list items) that it was taken for, without anchors, aliases or merge keys. YAML is read from left to
right, so blocks that are each complete by themselves are also what the whole file would have given. Whatever fails that
proof is a Doubt, and the file is then parsed whole.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from healthlb.config.faults import Source
from healthlb.config.nodes import Composer, Malformed, Mapping, Node, Scalar, Sequence, single_pair
from healthlb.config.reading import lines_of

SPLIT_FROM = 64
RUN = 64
TOP = re.compile(r"\n(?=[^ \n#-])")
HEADER = re.compile(r"virtual_servers:[ ]*(?:#[^\n]*)?(?=\n)")
FIRST = re.compile(r"\n( *)(?=[^ \n#])")
UNCLEAR = "\r\x85\u2028\u2029\ufeff"
"""Line breaks of YAML other than ours, and the mark that libyaml drops where a text, and so a block, begins."""
TABBED = re.compile(r"\n *\t")


class Doubt(Exception):  # noqa: N818 - not an error but a reason to look closer
    """The split may be wrong; parse the file whole."""


class Stale(Exception):  # noqa: N818 - not an error but a reason to look again
    """Something is wrong between what was kept unparsed and something else: parse it again, to tell its place."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a text: from where to where, and the line (from 0) that it begins in."""

    text: str
    source: Source
    start: int
    end: int
    line: int

    def digest(self) -> bytes:
        """Return what tells this block's text from any other."""
        return digest_of(self.text[self.start : self.end])

    def compose(self) -> Node | None:
        """Return the tree of this block alone; raise Doubt when it cannot stand alone."""
        composer = Composer(self.text[self.start : self.end], self.source, self.line)
        try:
            root = composer.compose()
        except Malformed as error:
            raise Doubt from error
        if not composer.simple:
            raise Doubt
        return root

    def pair(self) -> tuple[Scalar, Node]:
        """Return the block's one key and its value; raise Doubt."""
        pair = single_pair(self.compose())
        if pair is None:
            raise Doubt
        return pair


@dataclass(slots=True)
class Blocks(Node):
    """The children of `virtual_servers`, not parsed yet."""

    children: list[Block]


@dataclass(slots=True)
class LazySequence(Sequence):
    """A long pool whose items are not parsed yet; `context` tells what the rest of its virtual server says."""

    blocks: list[Block] = field(default_factory=list)
    context: bytes = b""

    def walk(self, known: Callable[[bytes], bool]) -> Iterator[tuple[bytes, Node | None]]:
        """Yield each item's digest with its node, or None where it is known; unknown neighbours are parsed together."""
        run: list[tuple[bytes, Block]] = []
        for block in self.blocks:
            digest = block.digest()
            if known(digest):
                yield from self._compose(run)
                run = []
                yield digest, None
                continue
            run.append((digest, block))
            if len(run) == RUN:
                yield from self._compose(run)
                run = []
        yield from self._compose(run)

    def _compose(self, run: list[tuple[bytes, Block]]) -> Iterator[tuple[bytes, Node]]:
        if not run:
            return
        first, last = run[0][1], run[-1][1]
        root = Block(first.text, first.source, first.start, last.end, first.line).compose()
        if not isinstance(root, Sequence) or len(root.items) != len(run):
            raise Doubt
        yield from zip((digest for digest, _ in run), root.items, strict=True)


def digest_of(text: str) -> bytes:
    """Return 16 bytes that tell this text from any other."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def split(text: str, source: Source) -> list[tuple[Scalar, Node]]:
    """Return the file's sections; `virtual_servers` as Blocks where it can be split. Raise Doubt."""
    if any(character in text for character in UNCLEAR) or ("\t" in text and TABBED.search("\n" + text)):
        raise Doubt
    starts = [match.end() for match in TOP.finditer(text)]
    if text[:1] not in {"", " ", "\n", "#", "-"}:
        starts.insert(0, 0)
    if not starts:
        raise Doubt
    _skip_head(text[: starts[0]])
    sections: list[tuple[Scalar, Node]] = []
    for block in _blocks(text, source, starts, len(text)):
        header = HEADER.match(text, block.start, block.end)
        children = _children(block, header.end()) if header else None
        if children is None:
            sections.append(block.pair())
        else:
            key = Scalar(source, block.line, 0, "virtual_servers", plain=True)
            sections.append((key, Blocks(source, children[0].line, 0, children)))
    if len({key.text for key, _ in sections}) < len(sections):
        raise Doubt
    return sections


def _skip_head(head: str) -> None:
    """Let comments and the mark of the document's start stand before the first key."""
    marks = 0
    for line in lines_of(head):
        marks += line.rstrip() == "---"
        if line.strip() and not line.lstrip().startswith("#") and (line.rstrip() != "---" or marks > 1):
            raise Doubt


def _blocks(text: str, source: Source, starts: list[int], end: int) -> Iterator[Block]:
    line = text.count("\n", 0, starts[0])
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        yield Block(text, source, start, stop, line)
        line += text.count("\n", start, stop)


@lru_cache(maxsize=64)
def _content_up_to(indent: int) -> re.Pattern[str]:
    return re.compile(rf"\n {{0,{indent}}}(?=[^ \n#])")


def _children(block: Block, header_end: int) -> list[Block] | None:
    """Return the blocks under a section's header, or None when it holds nothing."""
    first = FIRST.search(block.text, header_end, block.end)
    if first is None:
        return None
    indent = len(first[1])
    starts = []
    for match in _content_up_to(indent).finditer(block.text, first.start(), block.end):
        if match.end() - match.start() - 1 != indent or block.text[match.end()] == "-":
            raise Doubt
        starts.append(match.start() + 1)
    before = block.text.count("\n", block.start, starts[0])
    shifted = _blocks(block.text, block.source, starts, block.end)
    offset = block.line + before - block.text.count("\n", 0, starts[0])
    return [Block(child.text, child.source, child.start, child.end, child.line + offset) for child in shifted]


def virtual_server(block: Block) -> tuple[Scalar, Node]:
    """Return a virtual server's key and mapping; the items of a long pool are left unparsed. Raise Doubt."""
    return _split_pool(block) or block.pair()


def _split_pool(block: Block) -> tuple[Scalar, Node] | None:
    """Return the virtual server with its pool as a LazySequence, or None where that is not worth it or unclear."""
    text, header_end = block.text, block.text.find("\n", block.start, block.end)
    first = FIRST.search(text, header_end, block.end) if header_end >= 0 else None
    if first is None:
        return None
    indent = len(first[1])
    opening = re.compile(rf"\n {{{indent}}}real_servers:[ ]*(?:#[^\n]*)?(?=\n)").search(text, header_end, block.end)
    item = FIRST.search(text, opening.end(), block.end) if opening else None
    if opening is None or item is None or len(item[1]) < indent:
        return None
    starts, after = _items(text, item, block.end, indent)
    if len(starts) < SPLIT_FROM:
        return None
    head = Block(text, block.source, block.start, starts[0], block.line)
    name, settings = head.pair()
    if not isinstance(settings, Mapping) or [key.text for key, _ in settings.pairs].count("real_servers") != 1:
        raise Doubt
    line = block.line + text.count("\n", block.start, starts[0])
    items = []
    for start, end in zip(starts, [*starts[1:], after], strict=True):
        items.append(Block(text, block.source, start, end, line))
        line += text.count("\n", start, end)
    tail = Block(text, block.source, after, block.end, line)
    context = digest_of(text[block.start : starts[0]] + text[after : block.end])
    lazy = LazySequence(block.source, items[0].line, len(item[1]), [], items, context)
    pairs = [(key, lazy if key.text == "real_servers" else value) for key, value in settings.pairs]
    if after < block.end:
        rest = tail.compose()
        if not isinstance(rest, Mapping) or rest.has("real_servers"):
            raise Doubt
        pairs += rest.pairs
    return name, Mapping(settings.source, settings.line, settings.column, pairs)


def _items(text: str, first: re.Match[str], end: int, indent: int) -> tuple[list[int], int]:
    """Return where the list's items begin and where the list ends; no items where the text is unclear."""
    depth = len(first[1])
    starts: list[int] = []
    for match in _content_up_to(depth).finditer(text, first.start(), end):
        column = match.end() - match.start() - 1
        if column == depth and text[match.end() : match.end() + 2] in {"- ", "-\n"}:
            starts.append(match.start() + 1)
        elif column == indent and text[match.end()] != "-":
            return starts, match.start() + 1
        else:
            return [], end
    return starts, end
