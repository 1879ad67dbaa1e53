"""Writes the table of docs/metrics.md anew, from the families as they are declared."""

import re
from pathlib import Path

from healthlb.api.metrics import PARTS

FILE = Path(__file__).parents[2] / "docs" / "metrics.md"
BEGIN, END = "<!-- families -->\n", "<!-- end of families -->\n"


def table() -> str:
    """Return every family by its kind of thing: name, kind, labels and explanation."""
    pieces = []
    for part in PARTS:
        subject = re.sub(r"^The famil(?:y|ies) of ", "", (part.__doc__ or "").partition("\n")[0]).rstrip(".")
        pieces.append(
            f"\n### {subject[0].upper()}{subject[1:]}\n\n| family | kind | labels | |\n| --- | --- | --- | --- |\n"
        )
        for family in part.FAMILIES:
            labels = ", ".join(f"`{name}`" for name in family.labels)
            pieces.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help} |\n")
    return "".join(pieces) + "\n"


def renewed(text: str) -> str:
    """Return the document with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    FILE.write_text(renewed(FILE.read_text(encoding="utf-8")), encoding="utf-8")
