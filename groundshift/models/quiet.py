"""Loading TensorFlow without its start-up chatter, which hides what a stage has to say."""

import logging
import os
import sys
import tempfile


def load_tensorflow() -> None:
    """Import TensorFlow; what its libraries print meanwhile is shown only if the import fails.

    They print to the file descriptor before any of their own log levels holds.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            chatter.seek(0)
            os.write(kept, chatter.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    # Networks are compiled once per image shape on purpose; it would warn of each.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
