"""Would what a file unpacks to fit into memory? A small file can unpack to any size."""

import os
from typing import Any


def check_fits(file: Any, size: float) -> None:
    """Refuse what would take more than half of this machine's memory, which is what is left while it is worked on."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return  # a system that does not say
    if size > memory / 2:
        raise ValueError(f"{file} unpacks to {size / 1e9:,.0f} GB, too much for {memory / 1e9:,.0f} GB of memory")
