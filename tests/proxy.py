"""A proxy before a server on loopback: counts bytes, refuses, stalls, breaks off, as told."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Passes connections on to a port.

    Attributes:
        target: the server's port.
        sent: bytes from clients.
        received: bytes to clients.
        mode: `pass`, `refuse` (connections are closed at once), `stall` (nothing passes any more).
        cut_after: bytes from clients after which all connections break off, once.
    """

    target: int
    sent: int = 0
    received: int = 0
    mode: str = "pass"
    cut_after: int | None = None
    _listener: socket.socket = field(default_factory=socket.socket)
    _open: list = field(default_factory=list)

    def __enter__(self):
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._break()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.mode == "refuse":
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self._open += [client, server]
            for source, sink, name in ((client, server, "sent"), (server, client, "received")):
                threading.Thread(target=self._pump, args=(source, sink, name), daemon=True).start()

    def _pump(self, source, sink, name):
        try:
            while data := source.recv(1 << 16):
                while self.mode == "stall":
                    threading.Event().wait(0.05)
                setattr(self, name, getattr(self, name) + len(data))
                sink.sendall(data)
                if self.cut_after is not None and self.sent > self.cut_after:
                    self.cut_after = None
                    self._break()
        except OSError:
            pass
        finally:
            source.close()
            sink.close()

    def _break(self):
        for end in self._open:
            with suppress(OSError):  # closed already
                end.shutdown(socket.SHUT_RDWR)  # which wakes who reads it
        self._open = []
