"""A file to write, and what the loader says of it."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from healthlb.config.faults import ConfigError
from healthlb.config.loader import Loader
from healthlb.model.config import Config

ENVIRONMENT = {"VIP": "192.0.2.9", "PORT": "8080", "EMPTY": ""}


class File:
    """A configuration file in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = str(folder / "healthlb.yaml")
        self.loader = Loader(self.path, environ=ENVIRONMENT)

    def write(self, text: str | bytes, name: str = "healthlb.yaml") -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return str(path)

    def load(self, text: str | bytes | None = None) -> Config:
        if text is not None:
            self.write(text)
        return self.loader.load()

    def faults(self, text: str | bytes | None = None) -> list[str]:
        """Load what must fail; the faults as `name:line:column: key: sentence`."""
        with pytest.raises(ConfigError) as caught:
            self.load(text)
        return [line.removeprefix(f"{self.folder}/") for line in str(caught.value).splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


@pytest.fixture
def new_file(tmp_path: Path) -> Callable[[str], File]:
    """Further files, each with a loader of its own."""

    def make(name: str) -> File:
        (tmp_path / name).mkdir(exist_ok=True)
        return File(tmp_path / name)

    return make
