"""What other libraries say of themselves is for their developers: nothing of it reaches whoever runs a command.

Called before they are imported. Who wants to hear one sets its own variable, such as TRANSFORMERS_VERBOSITY=info."""

import logging
import os
import sys
import warnings

SILENCE = {
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "true",  # or they warn of every fork
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TORCH_LOGS": "-all",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}

OURS = "trust_equivalence"


def quiet() -> None:
    for name, value in SILENCE.items():
        os.environ.setdefault(name, value)
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # of downloads, which take long enough to be shown
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())  # or what has no handler goes to standard error
    ours = logging.getLogger(OURS)
    if not ours.handlers:
        ours.addHandler(logging.StreamHandler())
        ours.propagate = False
