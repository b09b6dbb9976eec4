"""Secrets: from the environment, or from files that the environment names.

`NAME` holds a secret itself; `NAME_FILE` holds the path of a file with it, as Docker, Compose and
the official images of many services have it, and as Kubernetes mounts secrets. Secrets stand in no
setting, so that none can get into a parameter, a manifest or a log.
"""

import os
from pathlib import Path

from groundshift.errors import SourceError


def secret(name: str) -> str:
    """A secret by its name; empty if there is none.

    Raises:
        SourceError: the file that should hold it can't be read, or both are given.
    """
    value, path = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if value and path:
        raise SourceError(
            f"expected one of {name} and {name}_FILE in the environment, found both. Unset one",
            refused=True,
        )
    if not path:
        return value
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SourceError(
            f"{name}_FILE: expected a readable file at {path}, found none ({reason}). Mount the "
            "secret there, or correct the path",
            refused=True,
        ) from None
