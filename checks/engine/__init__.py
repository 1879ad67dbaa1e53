"""Carries conversations over sockets: batched connects, TLS, one deadline for a whole probe."""

from checks.engine.engine import Engine

__all__ = ["Engine"]
