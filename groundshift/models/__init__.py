"""Networks, losses, training and inference."""

from groundshift.models.quiet import load_tensorflow

load_tensorflow()
