"""Inputs of which a stage reads only parts: where they lie in S3, no more than those are brought.

Apart from `options`, since stages that read none of these need not import how they are stored.
"""

from pathlib import Path
from typing import Annotated

from components.folders import Folder
from components.options import folder
from groundshift.cube.layout import is_shard
from groundshift.observations.store import is_image

_READ = folder("Folder of an input artifact.")

Cube = Annotated[Path, Folder(read=True, by_parts=is_shard), _READ]
OptionalCube = Annotated[Path | None, Folder(read=True, by_parts=is_shard), _READ]
OptionalObservations = Annotated[Path | None, Folder(read=True, by_parts=is_image), _READ]
