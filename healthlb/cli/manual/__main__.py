"""`python -m healthlb.cli.manual FOLDER` writes every page there, and takes away those that are no more."""

import sys
from pathlib import Path

from healthlb.cli.manual import file, verbs


def pages() -> dict[str, str]:
    """Return every page by the name of its file."""
    return verbs.pages() | file.pages()


def main(folder: Path) -> None:
    """Write the pages."""
    made = pages()
    for path in folder.glob("healthlb*"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
