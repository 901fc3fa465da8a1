"""`trusteq compare --engine` and `--merge`: tables of any length, which an engine adds up, and sums of their shards."""

import glob
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.audit.options import AuditOptions
from trusteq.audit.summed import verdicts_of
from trusteq.cli.typed import Typed, part_of, visible
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.summed import SumOptions, finish
from trusteq.records.summary import Summary, merge
from trusteq.records.sums import summarize
from trusteq.report.terminal import block, figure_table
from trusteq.report.words import interval_name
from trusteq.report.write import write_whole
from trusteq.wording import place_name

FILES = ("figures.json", "sums.json")
COLUMNS = ("right", "said", "gold", "confidence", "probabilities")
FINISHED = ("out", "fail_on", "binning", "confidence_level", "margins")
GOES_WITH = {
    "merge": ("merge", *FINISHED),
    "engine": ("engine", "places", "large", "compressed", "id", "group", *COLUMNS, "n_bins", "histograms", *FINISHED),
}
TOLD = ("large_rows", "compressed_rows")  # where they are not as many as the pairs, a sentence says so
ANSWERS = "How many, how far apart, and does confidence tell right from wrong?"


@dataclass(frozen=True)
class Engines:
    """How tables are compared that are too long to be read.

    Args:
        engine: add the tables up in "polars", "duckdb", "spark" or "dask", without reading them into memory: parquet,
            csv or tsv, two patterns (or one table of pairs, with columns that end with _a, of the large model, and
            with _b). Without --id both are in the same order. It takes uniform bins unless --binning says otherwise.
        histograms: count confidences in 2048 cells too, for AUROC, the smooth calibration error and --binning quantile.
        merge: add up the sums.json of several shards, each written by a run with --engine.
    """

    engine: str | None = None
    histograms: bool = False
    merge: tuple[str, ...] = ()


def is_asked(typed: Typed) -> bool:
    if "histograms" in typed and "engine" not in typed:
        raise ValueError("--histograms needs --engine")
    return "engine" in typed or "merge" in typed


def begin(typed: Typed) -> dict[str, Any]:
    """Adds up, prints, and writes figures.json and sums.json; gives what the exit status is made of."""
    how = "merge" if "merge" in typed else "engine"
    for name in (name for name in typed if name not in GOES_WITH[how] and typed[name]):
        given = "a place" if name == "places" else "--" + name.replace("_", "-").replace("margins", "margin")
        raise ValueError(f"{given} does not go with --{how}")
    verdicts = {name: typed[name] for name in ("binning", "confidence_level", "n_bins") if name in typed}
    asked = part_of(AuditOptions, {"binning": "uniform"} | verdicts | {"margins": dict(typed.get("margins", {}))})
    out = typed.get("out", Path("results/sums"))
    check_free(out, typed.get("merge", ()))
    large, compressed, summary = merged(typed["merge"]) if how == "merge" else added_up(typed, asked)
    if asked.binning == "quantile" and summary.bins and not summary.histograms:
        raise ValueError("--binning quantile needs sums that were made with --histograms")
    figures = finish(summary, SumOptions(binning=asked.binning, confidence_level=asked.confidence_level))
    pair: dict[str, Any] = {"name": compressed, "compressed": compressed, "large": large, "role": "compressed"}
    pair |= {"dimensions": verdicts_of(summary, figures, asked)}
    for name, found in figures.items():
        print(f"{DIMENSIONS[name].question if name in DIMENSIONS else ANSWERS}  ({name})")
        print(figure_table({key: value for key, value in found.items() if key not in TOLD}), end="\n\n")
    print(block(pair, interval_name({"settings": {"confidence_level": asked.confidence_level}}), "twin"))
    if not summary.bins:
        print("The tables hold no confidences, so calibration was left out.")
    for one in summary.noticed:
        print(visible(one))
    told = {"large": large, "compressed": compressed, "noticed": summary.noticed, "verdicts": pair["dimensions"]}
    write_whole(out / "figures.json", json.dumps(told | figures, indent=2) + "\n")
    write_whole(out / "sums.json", summary.as_json())
    print(f"All figures: {out / 'figures.json'}; to be merged with other shards: {out / 'sums.json'}")
    return {"failures": [], "pairs": [pair]}


def added_up(typed: Typed, asked: AuditOptions) -> tuple[str, str, Summary]:
    places = [*([typed["large"]] if "large" in typed else []), *typed.get("places", ()), *typed.get("compressed", ())]
    if len(places) not in (1, 2):
        raise ValueError(f"--engine compares two tables, of the large model and of a compressed one, got {len(places)}")
    if len(places) == 1 and (typed.keys() & {"id", "large", "compressed"}):
        raise ValueError("give a second table: --id, --large and --compressed are for two")
    if len(typed.get("probabilities", ())) > 1:
        raise ValueError("with --engine, --probabilities takes one column, which holds lists")
    name, place = named(places[-1])
    places[-1] = place
    columns = {one: typed[one] if one != "probabilities" else typed[one][0] for one in COLUMNS if one in typed}
    summary = summarize(
        *places,
        engine=typed["engine"],
        id=typed.get("id"),
        group=typed.get("group"),
        columns=columns,
        n_bins=asked.n_bins,
        histograms="histograms" in typed or asked.binning == "quantile",
    )
    return place_name(places[0]) if len(places) == 2 else "large", name, summary


def named(place: str) -> tuple[str, str]:
    """NAME=PLACE, unless there is a file of just that name."""
    name, equals, rest = place.partition("=")
    return (name, rest) if equals and "/" not in name and not glob.glob(place) else (place_name(place), place)


def merged(places: tuple[str, ...]) -> tuple[str, str, Summary]:
    for i, place in enumerate(places):
        if os.path.realpath(place) in map(os.path.realpath, places[:i]):
            raise ValueError(f"{place} is given twice: its rows would count twice")
    return "large", f"{len(places)} shards", merge([Summary.read(place) for place in places])


def check_free(out: Path, sources: tuple[str, ...]) -> None:
    """That the files can be written is known before hours of work, and no shard is overwritten by the sum."""
    there = next(folder for folder in (out, *out.parents, Path()) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ValueError(f"{there} is no folder that can be written to: give another one as --out")
    for path in (out / name for name in FILES):
        if path.is_dir():
            raise ValueError(f"{path} is a folder, and a file goes there: give another folder as --out")
        if os.path.realpath(path) in map(os.path.realpath, sources):
            raise ValueError(f"{path} is one of the shards, and would be overwritten: give another folder as --out")
