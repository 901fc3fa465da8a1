"""Writes a dimension as a folder that needs nothing of ours installed: what goes to the Hub.

    python scripts/release/bundle.py calibration_gap FOLDER

The modules of `trusteq` that the metric uses are found by reading the imports. They lie beside NAME.py, each as one
file, because evaluate copies single files of a folder and no folders. What app.py uses lies in a package beside it.
"""

import argparse
import ast
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from trusteq.dimensions.registry import DIMENSIONS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
PACKAGE = "trusteq"
PAGE = "trusteq_page"
RESOURCES = "trusteq.resources"
WHY = "# evaluate copies of this folder only the files that this one names, a line for each: so it names all of them."


def metrics() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("metrics/*/README.md"))


def bundle(name: str, folder: Path) -> None:
    """Write the metric with all that it uses of ours into the folder."""
    source = ROOT / "metrics" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("README.md", "requirements.txt"):
        shutil.copy(source / file, folder / file)
    metric, app = ((source / file).read_text(encoding="utf-8") for file in (f"{name}.py", "app.py"))
    (folder / f"{name}.py").write_text(naming_all(metric, lay(metric, folder)), encoding="utf-8")
    (folder / PAGE).mkdir()
    (folder / PAGE / "__init__.py").write_text(f'"""What app.py uses of {PACKAGE}."""\n', encoding="utf-8")
    lay(app, folder / PAGE)
    (folder / "app.py").write_text(rewritten(app, f"{PAGE}."), encoding="utf-8")


def lay(text: str, folder: Path) -> list[str]:
    """Write every module that the text uses, and that those use in turn, into the folder; their names there."""
    waiting, texts = list(modules_of(text)), {}
    while waiting:
        if (module := waiting.pop()) not in texts:
            texts[module] = text_of(module)
            waiting += modules_of(texts[module])
    if RESOURCES in texts:
        texts[RESOURCES] = carried_texts({module.split(".")[1] for module in texts})
    for module, content in texts.items():
        if (path := folder / f"{flat(module)}.py").exists():
            raise ValueError(f"{module} and another module would both be called {path.name}")
        path.write_text(rewritten(content), encoding="utf-8")
    return sorted(flat(module) for module in texts)


def flat(module: str) -> str:
    """What a module is called in a bundle: nobody else's package is called so, and none of them is hidden by it.

    >>> flat("trusteq.models.open")
    'trusteq_models_open'
    """
    return module.replace(".", "_")


def naming_all(metric: str, names: list[str]) -> str:
    """NAME.py with a line for every file beside it, below its docstring."""
    end = ast.parse(metric).body[0].end_lineno
    lines = metric.splitlines(keepends=True)
    # Without a comment behind it: evaluate takes that for an address to fetch the file from.
    named = "".join(f"from .{name} import __name__ as _\n" for name in names)
    return rewritten("".join([*lines[:end], f"\n{WHY}\n{named}", *lines[end:]]))


# The imports of a text.


def modules_of(text: str) -> Iterator[str]:
    for node in own_imports(text):
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if path_of(inner) else str(node.module)


def own_imports(text: str) -> Iterator[ast.ImportFrom]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and str(node.module).partition(".")[0] == PACKAGE:
            yield node
        elif isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == PACKAGE for alias in node.names):
            raise ValueError(f"write from ... import ..., not {ast.unparse(node)}: that can be rewritten")


def rewritten(text: str, place: str = ".") -> str:
    """The text with its imports from the package as imports from the bundle.

    >>> rewritten("from trusteq.dimensions.record import Dimension\\nfrom trusteq.models import open as opening\\n")
    'from .trusteq_dimensions_record import Dimension\\nfrom . import trusteq_models_open as opening\\n'
    """
    lines = text.splitlines(keepends=True)
    for node in sorted(own_imports(text), key=lambda node: -node.lineno):
        modules = [alias for alias in node.names if path_of(f"{node.module}.{alias.name}")]
        names = [ast.unparse(alias) for alias in node.names if alias not in modules]
        made = [f"from {place}{flat(str(node.module))} import {', '.join(names)}"] if names else []
        made += [
            f"from {place.rstrip('.') or '.'} import {flat(f'{node.module}.{one.name}')} as {one.asname or one.name}"
            for one in modules
        ]
        lines[node.lineno - 1 : node.end_lineno] = [f"{' ' * node.col_offset}{line}\n" for line in made]
    return "".join(lines)


# The modules.


def path_of(module: str) -> Path | None:
    path = SOURCE / module.replace(".", "/")
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def text_of(module: str) -> str:
    """The module as it is; of the one that looks into its folder for dimensions, what it finds there now."""
    if module == "trusteq.dimensions.registry":
        return listed_dimensions()
    if (path := path_of(module)) is None:
        raise ValueError(f"there is no module {module}")
    return path.read_text(encoding="utf-8")


def listed_dimensions() -> str:
    lines = [f"from trusteq.dimensions.{name} import DIMENSION as {name}" for name in DIMENSIONS]
    listed = "".join(f"    {name}.name: {name},\n" for name in DIMENSIONS)
    return '"""Which ways to differ are there?"""\n\n' + "\n".join(lines) + f"\n\nDIMENSIONS = {{\n{listed}}}\n"


def carried_texts(rooms: set[str]) -> str:
    """Templates and styles of these rooms inside a module, since evaluate copies only modules."""
    entries = ""
    for path in sorted((SOURCE / PACKAGE).glob("*/*.*")):
        if path.suffix != ".py" and path.parent.name in rooms:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            written = "".join(f"        {line!r}\n" for line in lines)
            entries += f"    {f'{path.parent.name}/{path.name}'!r}: (\n{written}    ),\n"
    return (
        f'"""Templates and styles, which are files in the package."""\n\nTEXTS = {{\n{entries}}}\n\n\n'
        "def text(name: str) -> str:\n    return TEXTS[name]\n"
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write a metric as a folder that needs nothing of ours installed.")
    parser.add_argument("name", choices=metrics())
    parser.add_argument("folder", type=Path, help="a new or empty folder")
    options = parser.parse_args(argv)
    if options.folder.exists() and (not options.folder.is_dir() or any(options.folder.iterdir())):
        print(f"bundle.py: {options.folder} is not an empty folder", file=sys.stderr)
        return 1
    bundle(options.name, options.folder)
    print(f"wrote {options.folder}: {sum(path.is_file() for path in options.folder.rglob('*'))} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
