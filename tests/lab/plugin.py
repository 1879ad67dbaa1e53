"""A package that is installed in a folder of its own: its modules, and what it registers for healthlb."""

from pathlib import Path
from textwrap import dedent


def install(folder: Path, name: str, entries: str, **modules: str) -> Path:
    """Put a distribution with entry points of the group healthlb.checks into a new folder and return that.

    It is there for whoever has the folder on its path.
    """
    place = folder / f"installed-{name}"
    metadata = place / f"{name.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[healthlb.checks]\n{entries}\n")
    for module, text in modules.items():
        (place / f"{module}.py").write_text(dedent(text))
    return place
