"""Puts every metric and the Space on the Hugging Face Hub: each as a repository that needs nothing else of ours.

`--dry-run` shows the tree of each repository and uploads nothing; `--out FOLDER` keeps the trees there. A metric's
repository is OWNER/NAME, made by bundle.py, and `evaluate.load("OWNER/NAME")` then loads it; the Space is
OWNER/trust-equivalence, with the package as a folder beside its app.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bundle import PACKAGE, ROOT, SOURCE, bundle, metrics

SPACE = ROOT / "spaces" / "trust_equivalence"
SPACE_NAME = "trust-equivalence"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def repositories() -> dict[str, Callable[[Path], None]]:
    """What writes the tree of each repository, by its name."""
    return {name: partial(bundle, name) for name in metrics()} | {SPACE_NAME: space}


def space(tree: Path) -> None:
    for source, place in ((SPACE, tree), (SOURCE / PACKAGE, tree / PACKAGE)):
        shutil.copytree(source, place, ignore=LEFT_OUT, dirs_exist_ok=True)


def lines(tree: Path) -> Iterator[str]:
    """The tree as it would be pushed, a line a file with its size."""
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        yield f"  {path.relative_to(tree).as_posix():<70} {path.stat().st_size:>12,}"


def push(api: Any, name: str, tree: Path) -> str:
    """Make the repository if it is not there, and its content exactly the tree."""
    api.create_repo(name, repo_type="space", space_sdk="gradio", exist_ok=True)
    message = "From the project's repository"
    done = api.upload_folder(
        repo_id=name, repo_type="space", folder_path=tree, delete_patterns="*", commit_message=message
    )
    return str(getattr(done, "commit_url", done))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Push every metric and the Space to the Hugging Face Hub.")
    parser.add_argument("--owner", default="OWNER", help="the user or organization that they are pushed to")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these repositories alone")
    parser.add_argument("--dry-run", action="store_true", help="show the tree of each repository, and upload nothing")
    parser.add_argument("--out", type=Path, help="an empty or new folder to keep the trees in, one folder each")
    options = parser.parse_args(argv)
    found = repositories()
    unknown = sorted(set(options.only or ()) - set(found))
    if unknown:
        return problem(f"--only: there is no {unknown[0]}, only {', '.join(found)}")
    if not options.dry_run and options.owner == "OWNER":
        return problem("--owner is missing: whose repositories? (--dry-run shows them without)")
    if options.out and options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        return problem(f"--out: {options.out} is not an empty folder")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.only or found:
            tree = (options.out or Path(scratch)) / name
            found[name](tree)
            shutil.copy(ROOT / "LICENSE", tree / "LICENSE")  # which the cards name
            files = list(lines(tree))
            print(f"{options.owner}/{name}: {len(files)} files", *files, sep="\n")
            if not options.dry_run:
                from huggingface_hub import HfApi

                try:
                    print(f"pushed: {push(HfApi(), f'{options.owner}/{name}', tree)}")
                except Exception as error:
                    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                    return problem(f"{options.owner}/{name} could not be pushed: {reason}")
    return 0


def problem(sentence: str) -> int:
    print(f"push_to_hub.py: {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
