"""Build the images of `docker/Dockerfile`, list them, and look at what is in them.

    python docker/images.py build      every target -> build/images.json and a table
    python docker/images.py audit      packages, licences, vulnerabilities -> build/audit

Needs Python and one of Docker, Podman, Buildah; nothing of groundshift is imported.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIST = ROOT / "build" / "images.json"
AUDIT = ROOT / "build" / "audit"
ENGINES = ("docker", "podman", "buildah")
SHARED = ("light", "network")
TARGETS = (
    *("light", "fetch", "stack", "window", "notify"),
    *("network", "train", "evaluate", "infer", "serve"),
)
"""What comes after `light` and `network` adds only a default command to them."""
ON_REQUEST = ("network-gpu",)
"""Built where it is named only: it takes several GB."""

_SECRETS = {"ca.crt": "PIP_CERT", "pip.conf": "PIP_CONFIG_FILE"}
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class BuildError(Exception):
    """Something is missing, and what to do about it."""


@dataclass(frozen=True)
class Image:
    """An image as it was built.

    Attributes:
        reference: what a pipeline calls it by: its digest once a registry has it, else its tag.
        id: the engine's own name of it.
        bytes: size on disk, shared layers included.
        seconds: what building it took, shared layers that were there excluded.
    """

    reference: str
    id: str
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Builder:
    """A container engine and what it needs to build here.

    Attributes:
        engine: docker, podman or buildah.
        secrets: files that are there while packages are installed and in no layer, by name.
    """

    engine: str
    secrets: Mapping[str, Path]

    def build(self, file: str, *options: str, **arguments: str) -> None:
        """Build a Dockerfile of this folder with build arguments."""
        command = ["build", f"--file={ROOT / 'docker' / file}", "--network=host", *options]
        if self.engine == "buildah":
            command.append("--layers")
        command += [f"--secret=id={name},src={path}" for name, path in self.secrets.items()]
        command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        self._run(*command, str(ROOT))

    def describe(self, reference: str, seconds: float) -> Image:
        """What the engine knows of an image."""
        if self.engine == "buildah":
            found = self._json("images", "--json", reference)
            size = parse_size(found["size"])
            return Image(reference, found["id"], size, seconds)
        found = self._json("image", "inspect", reference)
        return Image(reference, found["Id"].removeprefix("sha256:"), found["Size"], seconds)

    def push(self, image: Image) -> Image:
        """Send an image to its registry; from then on it is called by its digest there."""
        name = image.reference.rpartition(":")[0]
        if self.engine == "docker":
            self._run("push", image.reference)
            known = self._json("image", "inspect", image.reference)["RepoDigests"]
            return replace(image, reference=next(at for at in known if at.startswith(f"{name}@")))
        with tempfile.NamedTemporaryFile("r") as file:
            self._run("push", f"--digestfile={file.name}", image.reference)
            return replace(image, reference=f"{name}@{file.read().strip()}")

    def _run(self, *command: str) -> None:
        try:
            subprocess.run([self.engine, *command], check=True, stdout=sys.stderr)
        except subprocess.CalledProcessError as error:
            raise BuildError(f"{self.engine} {command[0]} ended with {error.returncode}") from None

    def _json(self, *command: str) -> Any:
        answer = subprocess.run([self.engine, *command], check=True, stdout=subprocess.PIPE)
        return json.loads(answer.stdout)[0]


def parse_size(text: str) -> int:
    """Bytes of a size as Buildah writes it: `1.17 GB` is 1170000000."""
    number, unit = text.split()
    return round(float(number) * _UNITS[unit.upper()])


def find_engine(wanted: str | None) -> str:
    """The engine asked for, or the first that is there and answers.

    Raises:
        BuildError: there is none.
    """
    for engine in [wanted] if wanted else ENGINES:
        probe = [engine, "images" if engine == "buildah" else "info"]
        if shutil.which(engine) and subprocess.run(probe, capture_output=True).returncode == 0:
            return engine
    raise BuildError(
        f"expected {wanted or 'Docker, Podman or Buildah'}, found none that answers. Install and "
        "start one (Debian: docker/podman.sh install), or name it with ENGINE="
    )


def secrets() -> dict[str, Path]:
    """The certificates and settings that pip is told to use on this machine, if any."""
    given = {name: os.environ.get(variable) for name, variable in _SECRETS.items()}
    return {name: Path(path) for name, path in given.items() if path and Path(path).is_file()}


def version() -> str:
    """Version of the package."""
    text = (ROOT / "groundshift" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise BuildError("groundshift/__init__.py: expected a line __version__ = ..., found none")
    return found.group(1)


def revision() -> str:
    """Commit of this folder, with `-dirty` where files differ from it; `unknown` without git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        answer = subprocess.run([*command, "--exclude=*"], capture_output=True, text=True)
    except OSError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def build(options: argparse.Namespace) -> None:
    """Build targets, list them in a file and in a table."""
    builder = Builder(find_engine(options.engine), secrets())
    commit = revision()
    tag = options.tag or f"{version()}-{commit[:12]}{commit[40:]}"
    arguments = {"VERSION": version(), "REVISION": commit}
    if options.base_image:
        arguments["BASE_IMAGE"] = options.base_image
    images = {}
    for target in options.target or TARGETS:
        reference = f"{options.registry}/{target}:{tag}"
        start = time.monotonic()
        builder.build("Dockerfile", f"--target={target}", f"--tag={reference}", **arguments)
        image = builder.describe(reference, round(time.monotonic() - start, 1))
        images[target] = builder.push(image) if options.push else image
    options.list.parent.mkdir(parents=True, exist_ok=True)
    # Targets by name are built beside what is listed: network-gpu after all the others.
    kept = json.loads(options.list.read_text()) if options.target and options.list.exists() else {}
    listed = kept | {target: asdict(image) for target, image in images.items()}
    options.list.write_text(json.dumps(listed, indent=2) + "\n")
    print(table(images))


def table(images: Mapping[str, Image]) -> str:
    """Images as lines of text: size in MB, seconds, id, reference."""
    rows = [
        f"{target:<12}{image.bytes / 1e6:>7.0f} MB{image.seconds:>8.1f} s  {image.id[:12]}  "
        f"{image.reference}"
        for target, image in images.items()
    ]
    return "\n".join(rows)


def audit(options: argparse.Namespace) -> None:
    """Look into the listed images and write the findings beside each other."""
    builder = Builder(find_engine(options.engine), secrets())
    try:
        listed = json.loads(options.list.read_text())
    except FileNotFoundError:
        raise BuildError(f"{options.list}: expected the list of images. Run make images") from None
    for target in SHARED:
        folder = AUDIT / target
        shutil.rmtree(folder, ignore_errors=True)
        builder.build(
            "audit.Dockerfile",
            f"--output=type=local,dest={folder}",
            IMAGE=listed[target]["reference"],
            TIME=str(time.time_ns()),
        )
        print(f"{target} ({folder.relative_to(ROOT)}):")
        print("\n".join(f"  {line}" for line in findings(folder)))


def findings(folder: Path) -> list[str]:
    """An audit's files in a few lines: packages, licences, vulnerabilities."""
    packages = json.loads((folder / "sbom.cdx.json").read_text())["components"]
    licences = json.loads((folder / "licences.json").read_text())
    counts = Counter(package["License"] for package in licences)
    unnamed = [package["Name"] for package in licences if package["License"] == "UNKNOWN"]
    debian = (folder / "debian.txt").read_text().splitlines()
    return [
        f"{len(packages)} Python packages, {len(debian)} of Debian",
        "licences: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()),
        f"no licence named: {', '.join(unnamed) or 'none'}",
        f"vulnerabilities: {vulnerabilities(folder)}",
    ]


def vulnerabilities(folder: Path) -> str:
    """What is known, and plainly of how many packages nothing is, since nobody could tell."""
    try:
        packages = json.loads((folder / "vulnerabilities.json").read_text())["dependencies"]
    except (FileNotFoundError, ValueError):
        lines = (folder / "vulnerabilities.log").read_text().strip().splitlines()
        return f"NOT LOOKED UP: the service gave no answer ({lines[-1] if lines else 'no message'})"
    asked = [package for package in packages if "skip_reason" not in package]
    found = [
        f"{package['name']} {package['version']} ({', '.join(each['id'] for each in known)})"
        for package in asked
        if (known := package["vulns"])
    ]
    unknown = len(packages) - len(asked)
    missed = f"; NOT LOOKED UP: {unknown} packages the service has no answer for" if unknown else ""
    return f"{', '.join(found) or 'none'} in {len(asked)} packages looked up{missed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, help="default: the first that answers")
    parser.add_argument("--list", type=Path, default=LIST, help="file that lists the images")
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("build", help="build images")
    making.add_argument(
        "--target",
        action="append",
        choices=(*TARGETS, *ON_REQUEST),
        help="may be given again; default: all but network-gpu",
    )
    making.add_argument("--base-image", help="with apt and Python 3.11; default: python:3.11-slim")
    making.add_argument(
        "--registry", default="localhost/groundshift", help="and path of the images"
    )
    making.add_argument("--tag", help="default: version and commit")
    making.add_argument("--push", action="store_true", help="send them; they are listed by digest")
    making.set_defaults(run=build)
    commands.add_parser("audit", help="look into built images").set_defaults(run=audit)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except BuildError as error:
        print(f"images: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
