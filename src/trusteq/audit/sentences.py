"""What does a dimension's verdict say, in words that anyone can follow?

What was found is told by the dimension itself (`told`); the answer over all dimensions is in report/words.py."""

from trusteq.dimensions.record import Dimension, Entry
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.verdicts import tells
from trusteq.wording import decimals, percent, points, signed


def sentence(dimension: str | Dimension, entry: Entry, compressed: str, large: str) -> str:
    """What was found, beside what the floor and chance give, and what that means.

    >>> figures = {"accuracy": 0.8, "attacked_accuracy": 0.2, "accuracy_fall": 0.75, "accuracy_fall_gap": 0.25}
    >>> figures |= {"large_accuracy": 0.8, "large_attacked_accuracy": 0.4, "large_accuracy_fall": 0.5}
    >>> entry = {"figures": figures, "floor": None, "expected": None, "verdict": None}
    >>> sentence("attack_divergence", entry, "tiny", "large")
    'Under attack the accuracy of tiny falls from 80 to 20 %, by 75 % of it, and that of large from 80 to 40 %, by \
50 % of it: a gap of 25 points.'
    """
    record = record_of(dimension)
    beside = "; ".join([*beside_floor(entry), *beside_chance(record, entry)])
    found = record.told(entry["figures"], entry, compressed, large) + (f" ({beside})" if beside else "")
    return " ".join([f"{found}.", *what_that_means(record, entry, compressed, large)])


def record_of(dimension: str | Dimension) -> Dimension:
    return DIMENSIONS[dimension] if isinstance(dimension, str) else dimension


def beside_floor(entry: Entry) -> list[str]:
    """
    >>> beside_floor({"floor": 0.67, "kind": "overlap", "verdict": "different", "floor_name": "twin"})
    ['twin: 67 %']
    """
    if entry["floor"] is None or entry["verdict"] is None:
        return []
    told = percent(entry["floor"]) if entry["kind"] == "overlap" else points(entry["floor"])
    return [f"{entry['floor_name']}: {told}"]


def beside_chance(dimension: Dimension, entry: Entry) -> list[str]:
    """
    >>> beside_chance(DIMENSIONS["prediction_error_jaccard"], {"expected": 0.2})
    ['chance alone: 20 %']
    """
    told = dimension.expected is not None and tells(entry["expected"])
    return [f"chance alone: {percent(entry['expected'])}"] if told else []


def what_that_means(dimension: str | Dimension, entry: Entry, compressed: str, large: str) -> list[str]:
    if not entry["verdict"]:
        return []
    subject = f"{compressed} is" if entry["floor"] is not None else "That is"
    end = "" if entry["verdict"] == "inconclusive" else f": {entry['verdict']}"  # why it is open follows
    says = f"{subject} {how_far(entry, large, ' points', record_of(dimension).aside)}{end}."
    return [says, *too_close(dimension, entry), *when_settled(dimension, entry)]


def how_far(entry: Entry, large: str, unit: str = "", aside: str = "") -> str:
    """How much further from large it is than the twin, with the interval and the margin, as shares or in points.

    >>> entry = {"floor": 0.6, "kind": "overlap", "divergence": 0.028, "divergence_low": -0.055}
    >>> entry |= {"divergence_high": 0.112, "margin": 0.094, "beside": "the twin is"}
    >>> how_far(entry, "large")
    '0.03 further from large than the twin is (−0.06 to 0.11; allowed 0.09)'
    >>> how_far(entry | {"divergence": -0.03}, "large")
    '0.03 nearer to large than the twin is (0.06 nearer to 0.11 further; allowed 0.09 further)'
    >>> how_far(entry | {"divergence": -0.03, "divergence_high": -0.01}, "large")
    '0.03 nearer to large than the twin is (0.01 to 0.06; allowed 0.09 further)'
    """
    aside = aside if aside and corrected(entry) else ""
    size, low, high, margin = (entry[key] for key in ("divergence", "divergence_low", "divergence_high", "margin"))
    places = decimals([size, low, high], margin)
    if unit:
        size, low, high, margin, places = 100 * size, 100 * low, 100 * high, 100 * margin, places - 2

    def write(value: float) -> str:
        digits = places if places > 0 or not unit else int(abs(value) < 9.95)  # two, as in the tables
        written = f"{near:.{digits}f}" if (near := round(value, digits)) else "0"
        return signed(written.removesuffix(".0") if places <= 0 else written)

    apart = write(abs(size))
    apart += unit if apart != "1" else unit.removesuffix("s")
    further = f"{write(low)} to {write(high)}; allowed {write(margin)}"
    if entry["floor"] is None:
        return f"{apart} from {'a full overlap' if entry['kind'] == 'overlap' else 'no gap'}{aside} ({further})"
    if size > 0 and apart != "0":
        return f"{apart} further from {large} than {entry['beside']}{aside} ({further})"
    if high <= 0 or write(high) == "0":
        ends = f"{write(-high)} to {write(-low)}"
    else:
        ends = f"{write(-low)} nearer to {write(high)} further"
    near = f"as far from {large} as" if apart.startswith("0 ") or apart == "0" else f"{apart} nearer to {large} than"
    return f"{near} {entry['beside']}{aside} ({ends}; allowed {write(margin)} further)"


def corrected(entry: Entry) -> bool:
    """Whether the divergence is something else than the difference of the figures that are shown.

    >>> entry = {"kind": "gap", "value": -0.05, "floor": 0.02, "divergence": 0.03}
    >>> corrected(entry), corrected(entry | {"divergence": 0.024})
    (False, True)
    """
    sizes = [
        0.0 if value is None else 1 - value if entry["kind"] == "overlap" else abs(value)
        for value in (entry["value"], 1.0 if entry["floor"] is None and entry["kind"] == "overlap" else entry["floor"])
    ]
    return abs(sizes[0] - sizes[1] - entry["divergence"]) > 1e-9


def too_close(dimension: str | Dimension, entry: Entry) -> list[str]:
    """Of a verdict that is open, why, and how many examples would decide."""
    if entry["verdict"] != "inconclusive":
        return []
    if entry["open_because"]:
        return [entry["open_because"]]
    with_them = f"Too close to call with {entry['examples']:,} {record_of(dimension).counted}"
    return [f"{with_them}; {would_decide(entry['examples_needed'])}."]


def would_decide(count: int | None, counted: str = "") -> str:
    """
    >>> would_decide(2600), would_decide(760, "attacked examples"), would_decide(None)
    ('about 2,600 would decide', 'about 760 attacked examples would decide', 'over a million would be needed')
    """
    return f"about {count:,} {counted}".rstrip() + " would decide" if count else "over a million would be needed"


def when_settled(dimension: str | Dimension, entry: Entry) -> list[str]:
    """Of an audit that stops when it is sure: at which look, and with how many examples.

    >>> entry = {"verdict": "different", "examples": 50, "look": {"number": 1, "of": 4, "at_most": 100}}
    >>> when_settled("attack_divergence", entry), when_settled("attack_divergence", {})
    (['Settled at look 1 of 4, with 50 of at most 100 attacked examples.'], [])
    """
    if not (look := entry.get("look")):
        return []
    if entry["verdict"] == "inconclusive":
        return [f"It is open after all {look['of']} looks."] * (look["of"] > 1)
    most = f" of at most {look['at_most']:,}" if record_of(dimension).needs != "ood" else ""
    counted = record_of(dimension).counted
    return [f"Settled at look {look['number']} of {look['of']}, with {entry['examples']:,}{most} {counted}."]
