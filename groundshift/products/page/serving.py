"""Showing the map page from this machine: a small web server that others can't reach."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import IO, Any

from groundshift.errors import ContractError, SettingsError
from groundshift.products.page.chunks import PAGE

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'"
)
_HOSTS = ("127.0.0.1", "localhost")
_PIECE = 1 << 16


class _Handler(SimpleHTTPRequestHandler):
    """Files below a folder, whole or in part, and nothing else."""

    protocol_version = "HTTP/1.1"
    _left: int | None = None

    def end_headers(self) -> None:
        for name, value in (
            ("Accept-Ranges", "bytes"),
            ("Cache-Control", "no-cache"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        if self.path.startswith(f"/{PAGE}/"):
            self.send_header("Content-Security-Policy", _POLICY)
        super().end_headers()

    def send_head(self) -> Any:
        """Answer with the range that is asked for, as `SimpleHTTPRequestHandler` can't."""
        self._left = None
        # A page elsewhere may give its own name this machine's address: that one is no reader.
        if self.headers.get("Host", "").rpartition(":")[0] not in _HOSTS:
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        if self.path == "/":
            return self._see(f"/{PAGE}/")
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not any(asked.groups()) or not path.is_file():
            return super().send_head()
        size = path.stat().st_size
        first, last = asked.groups()
        start = int(first) if first else max(size - int(last), 0)
        stop = min(int(last) + 1, size) if first and last else size
        if start >= stop:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        file = path.open("rb")
        file.seek(start)
        self._left = stop - start
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(self._left))
        self.end_headers()
        return file

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file, or as much of it as was asked for."""
        if self._left is None:
            return super().copyfile(source, outputfile)
        _copy(source, outputfile, self._left)
        return None

    def _see(self, place: str) -> None:
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    while count > 0 and (piece := source.read(min(count, _PIECE))):
        target.write(piece)
        count -= len(piece)


def require_page(maps: Path) -> Path:
    """The folder of an artifact's map page.

    Raises:
        ContractError: there is none.
    """
    folder = maps / PAGE
    if not (folder / "index.html").is_file():
        raise ContractError(
            f"{maps}: expected maps with a map page, found no {PAGE}/index.html. "
            "Give the folder of the maps, or rerun with infer.page=true: python -m components.infer"
        )
    return folder


@contextmanager
def serving(maps: Path, port: int = 0) -> Iterator[str]:
    """Serve an artifact to this machine alone, on the loopback address.

    Args:
        maps: the artifact.
        port: where to listen; 0 takes any free one.

    Yields:
        The address of its map page.

    Raises:
        ContractError: the artifact has no map page.
        SettingsError: the port is taken.
    """
    require_page(maps)
    handler = partial(_Handler, directory=str(maps))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise SettingsError(
            f"--port {port} can't be listened on ({error}). Take another"
        ) from error
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{PAGE}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
