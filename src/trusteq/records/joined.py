"""Which examples do two records share, and do they mean the same by them?"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trusteq.checks import brief
from trusteq.records.record import Record
from trusteq.wording import clean

NAMED = 5  # ids of those left out, of each record


@dataclass(frozen=True)
class Joined:
    """Both tables, with the same examples in the same order; how many were left out, and some of them by name."""

    large: pa.Table
    compressed: pa.Table
    only_large: int
    only_compressed: int
    named: list[str]
    noticed: list[str]


def join(large: Record, compressed: Record, allow_different_prompts: bool = False) -> Joined:
    """By id, in the large record's order; what contradicts is a sentence.

    >>> from trusteq.records.record import record
    >>> one = record({"place": "large.csv"}, {"id": ["a", "b"], "right": [True, False]})
    >>> other = record({"place": "small.csv"}, {"id": ["b", "c", "d"], "right": [True, True, False]})
    >>> found = join(one, other)
    >>> found.large["id"].to_pylist(), found.only_large, found.only_compressed, found.named
    (['b'], 1, 2, ['a', 'c', 'd'])
    >>> found.noticed[0]
    '1 example is in large.csv only and is left out, such as a'
    """
    by_order = [record for record in (large, compressed) if record.head.get("by_order")]
    if len(by_order) == 1:
        raise ValueError(f"{name(by_order[0])} has no ids, and the other record has: they cannot be matched")
    if by_order and len(large) != len(compressed):
        sizes = f"{name(large)} has {len(large):,} rows and {name(compressed)} {len(compressed):,}"
        raise ValueError(f"{sizes}, and no ids to match them by: give both a column of ids")
    where = pc.index_in(large.table["id"], value_set=compressed.table["id"].combine_chunks())
    shared = pc.is_valid(where)
    one, other = large.table.filter(shared), compressed.table.take(pc.drop_null(where))
    if not len(one):
        ids = [brief(record.table["id"][0].as_py()) for record in (large, compressed)]
        they = f"{name(large)} and {name(compressed)} have no example in common"
        raise ValueError(f"{they}: the ids are such as {ids[0]} in one and {ids[1]} in the other")
    check_same(large, compressed, one, other)
    different = differing(one, other, "prompt_hash")
    noticed = []
    if different:
        what = f"{len(different):,} of {len(one):,} prompts differ between {name(large)} and {name(compressed)}"
        if not allow_different_prompts:
            first = brief(one["id"][different[0]].as_py())
            advice = "what models say to different prompts is compared only with allow_different_prompts"
            raise ValueError(f"{what}, first that of {first}; {advice}")
        noticed.append(f"{what}, and are compared all the same")
    known = pc.is_in(compressed.table["id"], value_set=large.table["id"].combine_chunks())
    alone = [
        (large, large.table["id"].filter(pc.invert(shared))),
        (compressed, compressed.table["id"].filter(pc.invert(known))),
    ]
    named = [some(ids) for _, ids in alone]
    for (record, ids), examples in zip(alone, named, strict=True):
        if len(ids):
            are = "example is" if len(ids) == 1 else "examples are"
            left = f"{'is' if len(ids) == 1 else 'are'} left out, such as {', '.join(examples)}"
            noticed.append(f"{len(ids):,} {are} in {name(record)} only and {left}")
    return Joined(one, other, len(alone[0][1]), len(alone[1][1]), named[0] + named[1], noticed)


def name(record: Record) -> str:
    return clean(record.head["place"] or record.head["model"] or "the record")


def some(ids: Any) -> list[str]:
    return list(ids.slice(0, NAMED).to_pylist())


SAME = {  # what has to be the same of an example that both have, and what else to think of
    "doc_hash": ("examples", "was the data set changed between the runs?"),
    "options": ("options, or their order,", "compare runs of the same options"),
    "gold": ("gold answers", "were both runs of the same version of the same task?"),
    "gold_index": ("gold answers", "were both runs of the same version of the same task?"),
}


def check_same(large: Record, compressed: Record, one: pa.Table, other: pa.Table) -> None:
    for column, (what, advice) in SAME.items():
        if wrong := differing(one, other, column):
            values = " and ".join(brief(table[column][wrong[0]].as_py()) for table in (one, other))
            which = f"{len(wrong):,} of {len(one):,}, first {brief(one['id'][wrong[0]].as_py())}, {values}"
            raise ValueError(f"the {what} of {name(large)} and {name(compressed)} differ ({which}): {advice}")


def differing(one: pa.Table, other: pa.Table, column: str) -> list[int]:
    """The rows where both tables have a value, and not the same one."""
    if column not in one.column_names or column not in other.column_names:
        return []
    left, right = one[column], other[column]
    if left.equals(right):
        return []
    if pa.types.is_list(left.type):
        pairs = zip(left.to_pylist(), right.to_pylist(), strict=True)
        return [row for row, (a, b) in enumerate(pairs) if a is not None and b is not None and a != b]
    return [int(row) for row in pc.indices_nonzero(pc.fill_null(pc.not_equal(left, right), False)).to_pylist()]
