"""The signals that would end a process which does not handle them yet. Imports nothing heavy: it comes first."""

import signal

HELD = (signal.SIGHUP, signal.SIGUSR1)


def hold_signals() -> None:
    """Keep them until the director listens (`release_signals`)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def release_signals() -> None:
    """Let those that were held, and all to come, be handled."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
