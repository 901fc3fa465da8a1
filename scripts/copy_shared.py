"""Keeps the shared files of the metric folders identical: one original each, a copy wherever a folder imports it.

A metric folder has to work when it is copied alone, so a file that several folders need is committed in each of them.
Its first line says where the original is; this script writes the copies, and with `--check` only compares them.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_LINE = re.compile(r"# Shared file: the original is (\S+), ")


def originals(root: Path) -> list[Path]:
    """The shared files, each where its own first line says that the original is."""
    found = []
    for path in sorted(root.glob("metrics/*/*.py")):
        match = FIRST_LINE.match(path.read_text(encoding="utf-8"))
        if match and root / match[1] == path:
            found.append(path)
    return found


def copies(root: Path, original: Path) -> list[Path]:
    """Where copies belong: in each folder whose module or widget imports the file, and wherever one lies already."""
    imported = re.compile(rf"^from \.?{original.stem} import ", re.MULTILINE)
    places = []
    for folder in sorted(path for path in (root / "metrics").iterdir() if path.is_dir() and path != original.parent):
        users = [folder / f"{folder.name}.py", folder / "app.py"]
        here = folder / original.name
        used = any(imported.search(user.read_text(encoding="utf-8")) for user in users if user.exists())
        if used or (here.exists() and FIRST_LINE.match(here.read_text(encoding="utf-8"))):
            places.append(here)
    return places


def strays(root: Path) -> list[Path]:
    """Files that call themselves shared but whose original is not where they say."""
    known = originals(root)
    claims = {path: FIRST_LINE.match(path.read_text(encoding="utf-8")) for path in sorted(root.glob("metrics/*/*.py"))}
    return [path for path, match in claims.items() if match and root / match[1] not in known]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the copies of the shared files, or check them.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a copy differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: the one of this script)")
    options = parser.parse_args(argv)
    wrong = [f"{path} names an original that is not there" for path in strays(options.root)]
    for original in originals(options.root):
        text = original.read_bytes()
        for copy in copies(options.root, original):
            if copy.exists() and copy.read_bytes() == text:
                continue
            if options.check:
                wrong.append(f"{copy} differs from {original}" if copy.exists() else f"{copy} is missing")
            else:
                copy.write_bytes(text)
                print(f"wrote {copy}")
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
