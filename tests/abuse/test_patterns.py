"""No regular expression of the project takes more than linear time, whatever text it is given.

`re` cannot be interrupted: a pattern that takes the square of a text's length halts a whole page for one text.
The patterns are found in the source, so that a new one is tried by itself."""

import ast
import importlib
import re
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "metrics", "scripts", "spaces")
CALLS = ("compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn")
SHORT, LONGER = 2_000, (20_000, 100_000)  # characters: every string is tried short, the slowest of them long
SLOWEST = 30  # times a scan, character by character; linear patterns take up to 10, the square of SHORT more than 100
MOST_ATOMS, SLOWEST_TEXTS = 6, 3


class Names(dict):
    """What a pattern is put together from: the module's own constants, and for whatever is local a word."""

    def __missing__(self, name):
        return "name"


def patterns() -> Iterator[tuple[str, str, int, frozenset[str]]]:
    """Where each pattern stands, the pattern, its flags, and what is done with it."""
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        tree, place = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(ROOT)
        calls = [node for node in ast.walk(tree) if is_call(node)]
        for node in calls:
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            first = node.args[0] if node.args else given["pattern"]
            flags = given.get("flags") or next((arg for arg in node.args[1:] if "re." in ast.unparse(arg)), None)
            chosen = eval(ast.unparse(flags), {"re": re}) if flags else 0
            for pattern in values(first, tree, path):
                yield f"{place}:{node.lineno} {pattern}", pattern, int(chosen), uses(node, tree)


def is_call(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in CALLS:
        return False
    return isinstance(node.func.value, ast.Name) and node.func.value.id in ("re", "regex")


def uses(node: ast.Call, tree: ast.Module) -> frozenset[str]:
    """What the call does with its pattern, or what the module does with the compiled pattern that it gives a name."""
    if node.func.attr != "compile":
        return frozenset([node.func.attr])
    given = next((one.targets for one in ast.walk(tree) if isinstance(one, ast.Assign) and one.value is node), [])
    names = {getattr(target, "id", getattr(target, "attr", "")) for target in given}
    calls = [one.func for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)]
    named = [call.attr for call in calls if getattr(call.value, "id", getattr(call.value, "attr", None)) in names]
    return frozenset(name for name in named if name in CALLS) or frozenset(["search", "match", "fullmatch"])


def values(node: ast.expr, tree: ast.Module, path: Path) -> list[str]:
    """What the pattern is; of one that is a variable, every text of its module that could be meant."""
    if isinstance(node, ast.Constant):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        known = vars(module_of(path)) if path.is_relative_to(ROOT / "src") else {}
        return [eval(ast.unparse(node), {}, Names({k: v for k, v in known.items() if isinstance(v, str)} | {"re": re}))]
    prose = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}  # docstrings
    inside = {id(part) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in n.values}
    found = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in prose | inside}
    return sorted(
        text for text in found if isinstance(text, str) and re.search(r"[*+]|\\[a-zA-Z]", text) and is_pattern(text)
    )


def module_of(path: Path):
    return importlib.import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))


def is_pattern(text: str) -> bool:
    try:
        return bool(re.compile(text))
    except re.error:
        return False


# Strings that are made for a pattern: of the characters and the words that it mentions.

OF_CATEGORY = {"DIGIT": "1", "NOT_DIGIT": "a", "SPACE": " ", "NOT_SPACE": "a", "WORD": "a", "NOT_WORD": "-"}


def atoms(pattern: str, flags: int) -> list[str]:
    found: list[str] = []

    def see(parsed) -> None:
        run = ""
        for kind, value in [*parsed, (None, None)]:
            if str(kind) == "LITERAL":
                run += chr(value)
                found.append(chr(value))
                continue
            if len(run) > 1:
                found.append(run)
            run = ""
            if str(kind) == "IN":
                for inner, what in value:
                    if str(inner) == "LITERAL":
                        found.append(chr(what))
                    elif str(inner) == "RANGE":
                        found.append(chr(what[0]))
                    elif str(inner) == "CATEGORY":
                        found.append(OF_CATEGORY[str(what).removeprefix("CATEGORY_")])
            elif str(kind) in ("ANY", "NOT_LITERAL"):
                found.append("x")
            elif isinstance(value, re._parser.SubPattern):
                see(value)
            elif isinstance(value, list | tuple):
                for part in value:
                    if isinstance(part, re._parser.SubPattern):
                        see(part)
                    elif isinstance(part, list):
                        for branch in part:
                            see(branch)

    see(re._parser.parse(pattern, flags))
    words = sorted(set(found), key=lambda atom: (len(atom) == 1, found.index(atom)))
    return words[:MOST_ATOMS]


def hostile(some: list[str], size: int) -> Iterator[str]:
    """An atom or two again and again, or one and then the other again and again; and at the end what spoils it."""
    spoilers = ["", "\0", "\n", *some]
    for a, b in product(some, some):
        for text in {fill(a + b, size), a + fill(b, size)}:
            for spoiler in spoilers:
                yield text + spoiler


def fill(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def tasks(pattern: str, flags: int, used: frozenset[str]):
    """What is done with it: it has to fit from the text's beginning, or all of the text is looked through."""
    made = re.compile(pattern, flags)
    through = [lambda text: sum(1 for _ in made.finditer(text))] if used - {"match", "fullmatch"} else []
    return [getattr(made, name) for name in ("match", "fullmatch") if name in used] + through


SCAN = re.compile(r"(?s:.)")


def seconds(task, text: str, tries: int = 1) -> float:
    taken = []
    for _ in range(tries):
        began = time.perf_counter()
        task(text)
        taken.append(time.perf_counter() - began)
    return min(taken)


def scan(size: int) -> float:
    return seconds(lambda text: sum(1 for _ in SCAN.finditer(text)), "a" * size, tries=5)


def slowness(pattern: str, flags: int, used: frozenset[str]) -> tuple[float, str]:
    """How many times as long as a scan the pattern takes at worst, and on what it does."""
    some, worst = atoms(pattern, flags), (0.0, "")
    for task in tasks(pattern, flags, used):
        for text in hostile(some, 24):  # what doubles with every character would take years on more
            if seconds(task, text) > 0.05 and seconds(task, text, tries=3) > 0.05:
                return float("inf"), text
        limit = scan(SHORT)
        tried = []
        for text in hostile(some, SHORT):
            tried.append((seconds(task, text) / limit, text))
            if tried[-1][0] > 10 * SLOWEST:
                break  # no need to see how slow it can be
        for size in (SHORT, *LONGER):
            slowest = sorted(tried)[-SLOWEST_TEXTS:]
            limit = scan(size)
            tried = [(seconds(task, grown(text, size), tries=3) / limit, text) for _, text in slowest]
            worst = max(worst, *tried)
            if worst[0] > SLOWEST:
                return worst
    return worst


def grown(text: str, size: int) -> str:
    """The same string, long: its middle, which repeats itself, is repeated."""
    half = SHORT // 2
    period = next(n for n in range(1, half) if text[half : half + 200] == text[half + n : half + n + 200])
    more = (size - SHORT) // period
    return text[:half] + text[half : half + period] * more + text[half:]


FOUND = list(patterns())


def test_patterns_are_found_wherever_they_stand():
    places = {name.partition(":")[0] for name, *_ in FOUND}
    assert {name.partition("/")[0] for name in places} == set(FOLDERS)
    written = sum(len(re.findall(r"\bre\.(?:compile|search|fullmatch|sub|split|findall|finditer)\(", path.read_text()))
                  for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))  # fmt: skip
    assert len(FOUND) >= written > 40


@pytest.mark.parametrize(("name", "pattern", "flags", "used"), FOUND, ids=[f"{name}"[:90] for name, *_ in FOUND])
def test_every_pattern_takes_linear_time(name, pattern, flags, used):
    ratio, text = slowness(pattern, flags, used)
    assert ratio < SLOWEST, f"{name}: {ratio:.0f} times as long as a scan, of {text[:20]!r} ... {text[-9:]!r}"


QUADRATIC = [r"\d+x", r"\s*\S+\s*", r"\{[^}]*\}", r"<[^>]*>", r" \(in code[^)]*\)", r"(\d+)+", r"\s+$"]


@pytest.mark.parametrize("pattern", QUADRATIC)
def test_the_trial_finds_patterns_that_are_slow(pattern):
    assert slowness(pattern, 0, frozenset(["fullmatch" if ")+" in pattern else "finditer"]))[0] > SLOWEST
