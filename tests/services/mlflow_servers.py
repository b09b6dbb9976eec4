"""Real MLflow servers on loopback, on SQLite and PostgreSQL, that can be killed and restarted."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

NOBODY = "nobody"
_PATIENCE = 240


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class MlflowServer:
    """A server that keeps its runs in a database, its artifacts in a folder or elsewhere."""

    database: str
    folder: Path
    artifacts: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", self.database]
        command += ["--artifacts-destination", self.artifacts or str(self.folder / "artifacts")]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            cwd=self.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health"):
                return
            time.sleep(0.2)
        pytest.fail(f"the server did not start: {(self.folder / 'server.log').read_text()[-2000:]}")

    def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def postgres_binaries() -> Path | None:
    """Folder of the newest PostgreSQL that Debian's packages installed; None without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    """A SQLite file; its address."""
    yield f"sqlite:///{folder}/mlflow.db"


@contextlib.contextmanager
def postgres(_: Path | None = None) -> Iterator[str]:
    """A PostgreSQL of its own, which runs as another user where we are root; its address."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    user = NOBODY if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="groundshift-postgres-"))
    if user:
        shutil.chown(folder, user)
    place, port = folder / "data", free_port()
    initialise = [binaries / "initdb", "-D", place, "-U", "mlflow", "-A", "trust", "-N"]
    subprocess.run(initialise, user=user, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    options = ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k", folder, "-F"]
    server = subprocess.Popen(
        [binaries / "postgres", "-D", place, *options],
        user=user,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        create = [binaries / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "mlflow"]
        for _ in range(300):
            if not subprocess.run([*create, "mlflow"], check=False, capture_output=True).returncode:
                break
            time.sleep(0.2)
        else:
            pytest.fail("PostgreSQL did not start")
        yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/mlflow"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


databases = {"sqlite": sqlite, "postgresql": postgres}
"""What gives a database in a folder, by its kind."""
