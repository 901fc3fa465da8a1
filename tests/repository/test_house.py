"""The house of DESIGN.md: arrows between its rooms run downward only, and nothing stands in two places."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
FLOORS = [  # rooms of one floor do not import each other
    {"kinds"},
    {"models"},
    {"explain", "attack", "records"},
    {"dimensions"},
    {"compress"},
    {"audit"},
    {"faces", "report"},
    {"reproduce"},
    {"cli"},
]
ALIKE = 20  # lines


def files_of(*places):
    return [path for place in places for path in (ROOT / place).rglob("*.py")]


def name_of(path):
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 2 or (SRC / "trusteq" / parts[-1]).is_dir() else "ground floor"


def floor_of(module):
    room = room_of(module)
    return 0 if room == "ground floor" else next(i for i, rooms in enumerate(FLOORS, start=1) if room in rooms)


def own_imports(node):
    """The modules of the package that the code below a node imports, with the line."""
    for one in ast.walk(node):
        if isinstance(one, ast.ImportFrom) and not one.level and one.module.partition(".")[0] == "trusteq":
            for alias in one.names:
                inner = f"{one.module}.{alias.name}"
                yield inner if inner in MODULES else one.module, one.lineno
        elif isinstance(one, ast.ImportFrom) and one.level:
            yield f"a relative import of {one.module}", one.lineno
        elif isinstance(one, ast.Import):
            yield from ((alias.name, one.lineno) for alias in one.names if alias.name.partition(".")[0] == "trusteq")


MODULES = {name_of(path): path for path in sorted(SRC.rglob("*.py"))}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}
ARROWS = {module: dict(own_imports(tree)) for module, tree in TREES.items()}
for module, path in MODULES.items():
    for mark, registry in (
        ("DIMENSION", "trusteq.dimensions.registry"),
        ("READER", "trusteq.records.readers.registry"),
    ):
        if f"\n{mark} = " in path.read_text(encoding="utf-8"):
            ARROWS[registry][module] = 1  # it imports whatever it finds


def test_every_room_has_its_floor():
    rooms = {room_of(module) for module in MODULES} - {"ground floor", "trusteq"}
    assert rooms == set().union(*FLOORS)


def test_arrows_run_downward():
    wrong = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {target}"
        for module, arrows in ARROWS.items()
        for target, line in arrows.items()
        if target not in MODULES
        or floor_of(target) > floor_of(module)
        or (floor_of(target) == floor_of(module) and room_of(target) != room_of(module))
    ]
    assert wrong == []


def test_no_circle():
    done, path = set(), []

    def visit(module):
        if module in path:
            raise AssertionError(" -> ".join([*path[path.index(module) :], module]))
        if module not in done:
            path.append(module)
            for target in ARROWS.get(module, ()):
                visit(target)
            done.add(path.pop())

    for module in MODULES:
        visit(module)


def test_no_import_of_ours_hides_in_a_function():
    """But in commands, whose help must not wait for what is slow; nothing imports them, so no circle hides there."""
    hidden = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {target}"
        for module, tree in TREES.items()
        if room_of(module) != "cli"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for target, line in own_imports(function)
    ]
    assert hidden == []


def test_faces_and_scripts_import_the_package_and_their_own_folder_alone():
    folders, wrong = defaultdict(set), []
    for path in files_of("metrics", "scripts", "spaces"):
        folders[path.stem].add(path.parent)
    for path in files_of("metrics", "scripts", "spaces"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, line in [*modules_in(tree), *own_imports(tree)]:
            of_another_folder = path.parent not in folders.get(name, {path.parent})
            if of_another_folder or (name.startswith("trusteq") and name not in MODULES):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def modules_in(tree):
    for one in ast.walk(tree):
        if isinstance(one, ast.ImportFrom):
            yield one.module or "", one.lineno
        elif isinstance(one, ast.Import):
            yield from ((alias.name, one.lineno) for alias in one.names)


def test_nobody_changes_where_modules_are_found():
    """Modules are found where pip or Python's own rule puts them, and not taken out of the table of those at hand."""
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files_of("metrics", "scripts", "spaces", "tests")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\bsys\.(path\b|modules\[)", line)
    ]
    assert wrong == []


def lines_of(path):
    """The lines that count, with their numbers: no blank ones, and none of an import."""
    text = path.read_text(encoding="utf-8")
    imports = {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for number in range(node.lineno, node.end_lineno + 1)
    }
    lines = enumerate(text.splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip() and number not in imports]


def alike(texts, count=ALIKE):
    """Where two of the texts (lines with their numbers, by name) have so many lines in common, one after another."""
    seen, found = {}, set()
    for name, lines in texts.items():
        for start in range(len(lines) - count + 1):
            run = tuple(line for _, line in lines[start : start + count])
            place = seen.setdefault(run, (name, lines[start][0]))
            if place[0] != name:
                found.add((place, (name, lines[start][0])))
    return sorted(found)


def test_what_is_alike_is_found():
    lines = [(number, f"line {number}") for number in range(1, 31)]
    assert alike({"one": lines, "other": [(1, "x"), *lines[5:24]]}) == []
    assert alike({"one": lines, "other": [(1, "x"), *lines[5:25]]}) == [(("one", 6), ("other", 6))]


def test_no_two_files_share_twenty_lines():
    paths = sorted(files_of("src", "metrics", "scripts", "spaces"))
    found = alike({str(path.relative_to(ROOT)): lines_of(path) for path in paths})
    assert [f"{one}:{line} and {other}:{there}" for (one, line), (other, there) in found] == []
