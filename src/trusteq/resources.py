"""What lies in files beside the code: templates, styles, data."""

from pathlib import Path


def text(name: str) -> str:
    """A file of the package, by its place in it.

    >>> text("report/palette.css").splitlines()[0]
    ':root {'
    """
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
