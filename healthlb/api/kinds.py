"""What a parameter or a key of a body may be: one declaration for who reads it and for who describes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

_Given = TypeVar("_Given")


@dataclass(frozen=True, slots=True)
class Kind(Generic[_Given]):
    """Takes what was given and returns what it stands for; raises ValueError with what is wrong with it.

    `schema` is a JSON Schema (2020-12) of what is taken; what it lets through beyond that is refused with a sentence.
    """

    take: Callable[[_Given], Any]
    schema: Mapping[str, Any]

    def __call__(self, given: _Given) -> Any:
        """Return what it stands for."""
        return self.take(given)


def kind(**schema: Any) -> Callable[[Callable[[_Given], Any]], Kind[_Given]]:
    """Make a kind of a function, with the words of its JSON Schema."""

    def make(take: Callable[[_Given], Any]) -> Kind[_Given]:
        return Kind(take, schema)

    return make
