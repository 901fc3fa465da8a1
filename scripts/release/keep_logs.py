"""The example of the Space's tab for logs: what a language model said in 16 and in 4 bits, as two small tables.

    python scripts/release/keep_logs.py FOLDER

FOLDER holds the answers of "[Re] Accuracy is Not All You Need on Current Small Instruction-Tuned Models" (Bommaraju
2026, MIT licence) to questions of MMLU (Hendrycks et al. 2021, MIT licence), as papers.md says. Long questions are cut.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

from trusteq.wording import shorten

OUT = Path(__file__).resolve().parents[2] / "spaces" / "trust_equivalence" / "example_logs"
RUN = "Qwen__Qwen2.5-1.5B-Instruct__{}__mmlu.json"
SIDES = {"fp16": "qwen2.5-1.5b-fp16.csv", "int4": "qwen2.5-1.5b-int4.csv"}
LONGEST = 140  # characters of a question


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with items.json and a file of answers for each model")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to (default: the Space's own)")
    options = parser.parse_args(argv)
    questions = json.loads((options.folder / "items.json").read_text(encoding="utf-8"))["mmlu"]
    options.out.mkdir(parents=True, exist_ok=True)
    for precision, name in SIDES.items():
        run = json.loads((options.folder / RUN.format(precision)).read_text(encoding="utf-8"))
        with (options.out / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "gold", "said", "confidence", "question"])
            for asked, said, sure in zip(questions, run["preds"], run["confs"], strict=True):
                question = shorten(" ".join(asked["question"].split()), LONGEST)
                writer.writerow([asked["id"], asked["answer"], said, round(sure, 3), question])
        print(f"{options.out / name}: {(options.out / name).stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
