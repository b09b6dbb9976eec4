"""Where a report goes: a webhook, a file."""

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from groundshift.errors import SettingsError, SourceError

_TRIES = 3
_PATIENCE = 10.0
"""Seconds that one try may take."""
_PAUSE = 2.0
"""Seconds between two tries."""
_WORTH_A_RETRY = (408, 429)
"""Statuses below 500 that another try may turn into success."""


def append(report: dict[str, Any], file: Path) -> None:
    """Add a report as one line to a file, unless it is there already (this is a retry)."""
    line = json.dumps(report, sort_keys=True, allow_nan=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b", buffering=0) as opened:
        if line.encode() not in opened.read().splitlines():
            opened.write(f"{line}\n".encode())  # at once, so that lines of two runs don't mix
            os.fsync(descriptor)


def post(report: dict[str, Any], variable: str) -> None:
    """Post a report to the address that an environment variable holds.

    The address is a secret: whoever knows it can post. No message shows it.

    Args:
        report: JSON-ready.
        variable: name of the environment variable.

    Raises:
        SettingsError: the variable is not set, or holds no web address.
        SourceError: nobody took the report.
    """
    address = os.environ.get(variable, "").strip()
    if not address.startswith(("http://", "https://")):
        found = "another text" if address else "nothing"
        raise SettingsError(
            f"--webhook-env {variable}: expected the variable to hold an address that starts with "
            f"https://, found {found}. Set it from a secret"
        )
    body = json.dumps(report, allow_nan=False).encode()
    for number in range(_TRIES):
        if number:
            time.sleep(_PAUSE)
        reason, final = _try(address, body)
        if not reason:
            return
        if final:
            break
    raise SourceError(
        f"the webhook in {variable} did not take the report: {reason}. Check the address and "
        "whether it can be reached from here",
        transient=not final,
    )


def _try(address: str, body: bytes) -> tuple[str, bool]:
    """Post once: what went wrong (empty if nothing), and whether it would go wrong again."""
    # Followed, a redirect would turn the post into a get that nobody reads.
    opener = urllib.request.build_opener(_NoRedirect)
    headers = {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(address, body, headers, method="POST")
        with opener.open(request, timeout=_PATIENCE):
            return "", False
    except urllib.error.HTTPError as error:
        with error:
            final = error.code < 500 and error.code not in _WORTH_A_RETRY
            return f"it answered {error.code}", final
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The error's own text may hold the address.
        cause = getattr(error, "reason", error)
        return f"it could not be reached ({type(cause).__name__})", not isinstance(error, OSError)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect: it counts as the answer."""
