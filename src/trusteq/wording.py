"""How are numbers and names written? The same way wherever a person reads them."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

NOTHING = "–"  # where there is no figure


def number(value: float | None, kind: str = "overlap") -> str:
    """Three decimals, with a sign where it is a gap that has one in these; counts as they are, and a dash where there
    is nothing. A share that is not quite 0 or 1 keeps as many digits as say so.

    >>> number(0.61), number(-0.0123, "gap"), number(0.00012), number(12345), number(None)
    ('0.610', '−0.012', '1.2e−04', '12,345', '–')
    >>> number(0.9996), number(1.0), number(-0.00003, "gap"), number(0.0, "gap")
    ('0.9996', '1.000', '0.000', '0.000')
    """
    if value is None:
        return NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    if kind == "gap":
        return signed(f"{value:+.3f}") if abs(value) >= 0.0005 else "0.000"
    if value == 0 or abs(value) >= 0.0005:
        return signed(short_of(value, 1, 3))
    return signed(f"{value:.1e}")


NOISE = 1e-5  # of a share, a thousandth of a point: below lies what float32 leaves of nothing


def short_of(value: float, whole: float, places: int) -> str:
    """With so many decimals, or as many more as it takes not to be rounded up to the whole.

    >>> short_of(99.6, 100, 0), short_of(100.0, 100, 0), short_of(81.4, 100, 0)
    ('99.6', '100', '81')
    """
    if whole - value > whole * NOISE:
        places = next(n for n in range(places, 9) if float(f"{value:.{n}f}") < whole)
    return f"{value:.{places}f}"


def signed(text: str) -> str:
    """A true minus, as wide as a plus."""
    return text.replace("-", "−")


def percent(share: float) -> str:
    """Two significant digits, and as many more as it takes to tell nearly all from all.

    >>> percent(0.61), percent(0.004), percent(1.0), percent(0.996), percent(0.0003), percent(0.0)
    ('61 %', '0.4 %', '100 %', '99.6 %', '0.03 %', '0 %')
    """
    size = 100 * share
    if abs(size) >= 10:
        return signed(f"{short_of(size, 100, 0)} %")
    if abs(size) >= 0.05:
        return signed(f"{size:.1f} %")
    return signed(f"{size:.1g} %") if abs(share) > NOISE else "0 %"


def points(share: float) -> str:
    """
    >>> points(0.034), points(-0.1), points(0.01), points(-0.0004), points(0.0)
    ('3.4 points', '−10 points', '1 point', '0.0 points', '0 points')
    """
    text = in_points(share)
    return f"{signed(text)} point{'s' * (text != '1')}"


def in_points(share: float) -> str:
    """Two significant digits, and no more than a tenth of a point; 0.0 is less, and 0 nothing.

    >>> in_points(0.0337), in_points(0.0004), in_points(0.02), in_points(0.0)
    ('3.4', '0.0', '2', '0')
    """
    size = 100 * share
    if abs(size) >= 9.95:
        return f"{size:.0f}"
    if abs(size) >= 0.05:
        return f"{round(size, 1):.2g}"
    return "0.0" if abs(share) > NOISE else "0"


def gap_in_points(share: float) -> str:
    """With its sign, without its unit.

    >>> gap_in_points(0.0123), gap_in_points(-0.0002), gap_in_points(0.0)
    ('+1.2', '0.0', '0')
    """
    text = in_points(share)
    return signed(text if text in ("0", "0.0") or text.startswith("-") else f"+{text}")


def decimals(values: list[float], limit: float) -> int:
    """Two, or as many more as it takes to tell the values from the limit.

    >>> decimals([0.028, -0.055, 0.112], 0.094), decimals([0.008, -0.002, 0.019], 0.01)
    (2, 3)
    """
    enough = (n for n in (2, 3, 4) if all(round(value, n) != round(limit, n) for value in values if value != limit))
    return next(enough, 5)


def and_so_on(names: Sequence[str], most: int = 6) -> str:
    """
    >>> and_so_on(["a"]), and_so_on(["a", "b", "c"]), and_so_on(list("abcd"), most=2)
    ('a', 'a, b and c', 'a, b and 2 more')
    """
    some = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return " and ".join(filter(None, [", ".join(some[:-1]), *some[-1:]]))


# Text from outside: names, texts, reasons.

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def clean(text: Any) -> str:
    """One line; characters that cannot be seen, or turn others around, are spelled out.

    >>> clean("safe\\u202egnp.exe"), clean("a\\nb"), clean("naïve 🧠")
    ('safe\\\\u202egnp.exe', 'a b', 'naïve 🧠')
    """
    out = []
    for character in str(text):
        if character in "\n\t ":
            out.append(" ")
        elif character in BIDI or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            code = ord(character)
            out.append(f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
        else:
            out.append(character)
    return "".join(out)


def shorten(name: str, longest: int) -> str:
    """A long name by its two ends.

    >>> shorten("tiny", 8), shorten("a-very-long-name", 8)
    ('tiny', 'a-ve…ame')
    """
    half = longest // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[half + 1 - longest :]}"


def place_name(path: str) -> str:
    """A path as a report shows it: where it lies on this machine is no reader's business.

    >>> place_name("/home/me/My Models/tiny/"), place_name("~/tiny"), place_name("runs/tiny"), place_name("owner/name")
    ('tiny', 'tiny', 'runs/tiny', 'owner/name')
    """
    parts = [part for part in re.split(r"[/\\]", path) if part]
    return parts[-1] if parts and re.match(r"~|[A-Za-z]:[/\\]|[/\\]", path) else path


PART = r"[^\s/\\'\"<>:,;]+"
PLACE = re.compile(rf"(?<![\w.:/\\<])(?:~\w*|[A-Za-z]:)?[/\\](?:{PART}[/\\])*{PART}[/\\]?")


def without_places(text: str) -> str:
    """The same for every absolute path in a text.

    >>> without_places("OSError: /home/me/tiny/config.json is torn; see https://a.org/b, and/or a/b")
    'OSError: config.json is torn; see https://a.org/b, and/or a/b'
    """
    return PLACE.sub(lambda found: place_name(found[0]), text)


def plain(value: Any) -> str:
    """A setting as one line.

    >>> plain({"a": 1, "b": [1, 2]}), plain(None), plain(True)
    ('a=1, b=1 2', 'none', 'yes')
    """
    if isinstance(value, dict):
        return ", ".join(f"{clean(key)}={plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(plain, value)) or "none"
    if value is None or isinstance(value, bool):
        return "none" if value is None else "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else clean(value)
