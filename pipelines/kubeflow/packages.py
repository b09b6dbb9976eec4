"""Compiled pipelines and their versions on the server; the same pipeline is uploaded once."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import kfp_server_api
import yaml

from groundshift import __version__
from groundshift.artifacts.hashing import file_digest
from groundshift.errors import SettingsError
from pipelines.kubeflow.server import Server, where

_DIGITS = 12


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        path: the file.
        pipeline: its name on the server, from the file.
        digest: the first hex digits of the file's SHA-256; a pipeline compiles to the same bytes.
    """

    path: Path
    pipeline: str
    digest: str

    @classmethod
    def read(cls, path: Path) -> "Package":
        """Read a compiled pipeline.

        Raises:
            SettingsError: it isn't there or is no compiled pipeline.
        """
        remedy = f"Compile it: groundshift compile {path.stem} --profile FILE --output {path}"
        try:
            pipeline_spec = next(yaml.safe_load_all(path.read_text()))
            pipeline = str(pipeline_spec["pipelineInfo"]["name"])
        except OSError as error:
            raise SettingsError(f"{path}: can't be read ({error.strerror}). {remedy}") from error
        except (yaml.YAMLError, LookupError, TypeError, StopIteration) as error:
            raise SettingsError(f"{path}: no compiled pipeline. {remedy}") from error
        return cls(path, pipeline, file_digest(path)[:_DIGITS])

    @property
    def version(self) -> str:
        """Name of its version on the server: the release and what was compiled."""
        return f"{__version__}-{self.digest}"


@dataclass(frozen=True)
class Version:
    """A version of a pipeline on the server."""

    pipeline_id: str
    version_id: str
    name: str


def find_pipeline(server: Server, name: str) -> str | None:
    """Id of a pipeline, None where it isn't there."""
    return next(iter(_pipelines(server, name)), None)


def find_version(server: Server, pipeline_id: str, name: str) -> Version | None:
    """The version of that name, None where it isn't there."""
    found = _versions(server, pipeline_id, name).values()
    return next((_version(item) for item in found if item.display_name == name), None)


def find_package(server: Server, package: Package) -> Version | None:
    """The version that a package was uploaded as, whatever the release, None where it wasn't."""
    pipeline_id = find_pipeline(server, package.pipeline)
    found = _versions(server, pipeline_id, package.digest) if pipeline_id else {}
    return next(map(_version, found.values()), None)


def upload(server: Server, package: Package) -> Version:
    """The package's version on the server, uploaded where it isn't there yet."""
    version = find_package(server, package)
    if version is not None:
        return version
    pipeline_id = find_pipeline(server, package.pipeline) or _create_pipeline(server, package)
    create = partial(
        server.api.pipeline_uploads.upload_pipeline_version,
        str(package.path),
        name=package.version,
        pipelineid=pipeline_id,
    )
    return _version(server.once(create, lambda: _versions(server, pipeline_id, package.digest)))


def _create_pipeline(server: Server, package: Package) -> str:
    # An upload of a new pipeline would call its first version like the pipeline.
    pipeline = kfp_server_api.V2beta1Pipeline(display_name=package.pipeline, **server.scope())
    create = partial(server.api.pipelines.pipeline_service_create_pipeline, pipeline)
    return str(server.once(create, lambda: _pipelines(server, package.pipeline)).pipeline_id)


def _pipelines(server: Server, name: str) -> dict[str, Any]:
    found = server.pages(
        server.api.pipelines.pipeline_service_list_pipelines,
        "pipelines",
        filter=where("display_name", name),
        **server.scope(),
    )
    return {item.pipeline_id: item for item in found if item.display_name == name}


def _versions(server: Server, pipeline_id: str, ending: str) -> dict[str, Any]:
    found = server.pages(
        server.api.pipelines.pipeline_service_list_pipeline_versions,
        "pipeline_versions",
        pipeline_id=pipeline_id,
        filter=where("display_name", ending, part=True),
    )
    return {item.pipeline_version_id: item for item in found if item.display_name.endswith(ending)}


def _version(item: Any) -> Version:
    return Version(item.pipeline_id, item.pipeline_version_id, item.display_name)
