"""Ports for servers that a test starts: free when asked for, and taken by nobody else until they are used."""

import random
import socket

NOT_GIVEN_OUT_BY_LINUX = range(20_000, 32_000)
"""Below net.ipv4.ip_local_port_range: no connection, and no server that asks for any port, gets one of these."""
_chance = random.SystemRandom()
_given: set[int] = set()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of 127.0.0.1 that nobody has now, and that is given to nobody else in this process."""
    while True:
        port = _chance.choice(NOT_GIVEN_OUT_BY_LINUX)
        if port in _given:
            continue
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
