"""Carries conversations over sockets: batched connects, TLS, one deadline for a whole probe."""

from checks.engine.carrier import Engine

__all__ = ["Engine"]
