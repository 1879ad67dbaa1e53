"""Check types of other packages that are ignored, in doubt or broken, for whoever is to be told."""

from checks import registry


def conflicts() -> tuple[str, ...]:
    """Return a sentence for each type that is offered in vain or twice. No package's code is run for it."""
    return registry.types().conflicts()


def broken() -> tuple[str, ...]:
    """Return a sentence for each type that cannot be used, importing them all."""
    return registry.types().broken()
