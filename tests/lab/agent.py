"""An agent on a real server, which says in a word how much work it wants."""

import contextlib
import socket
import threading

from topology import Machine

AGENT_PORT = 9000


class Agent:
    """Says `word` to whoever connects."""

    def __init__(self, machine: Machine, word: str) -> None:
        self.word = word
        with machine.inside():
            self._listener = socket.create_server(("0.0.0.0", AGENT_PORT))
        machine.net.at_end(self._end)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(f"{self.word}\n".encode())

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
