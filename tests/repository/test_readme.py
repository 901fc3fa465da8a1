"""What README and cards say, done: every command and every line of Python in them, with small models of those names.

The README's three lines for CI are what `.ci/run` runs; every other command is run here, in a folder that holds what
its names stand for (tiny checkpoints, a few rows of data).
"""

import contextlib
import doctest
import importlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import evaluate
import numpy as np
import pandas as pd
import pytest
import tiny_language_models
import torch
import transformers
from PIL import Image
from tiny_models import checkpoint, classifier, tokenizer

from trusteq.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI_LINES = [("main", "trusteq audit"), ("tests", "pytest"), ("textattack", "pytest tests/textattack")]
PAGES = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "papers.md", "src/trusteq/audit/bundled_family/README.md")
]
PAGES += [*sorted(ROOT.glob("metrics/*/README.md")), *ROOT.glob("spaces/*/README.md")]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


# The lines that CI runs.


@pytest.mark.parametrize(("name", "part"), CI_LINES)
def test_ci_runs_the_lines_of_the_readme(name, part):
    done = subprocess.run(["bash", str(ROOT / ".ci" / "run"), "--show", name], capture_output=True, text=True)
    line = done.stdout.removesuffix("\n")
    assert part in line
    assert "\n" not in line
    assert f"<!-- ci: {name} -->\n```bash\n{line}\n```\n" in README
    assert README.count("<!-- ci: ") == len(CI_LINES)


# What it names, and how long it is.


def test_the_readme_is_read_in_one_sitting():
    assert len(README.splitlines()) <= 250


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_folder_and_file_that_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/])(?:src|metrics|spaces|scripts|tests)/[\w./-]*\w", text))
    written = ("NAME", "surety_gap", "readers/quiz.py")  # by whoever follows CONTRIBUTING
    named -= {path for path in named if any(part in path for part in written)}
    assert named or page != ROOT / "README.md"
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_metric_folder_is_in_the_readme():
    for folder in (ROOT / "metrics").iterdir():
        assert folder.name.startswith(("_", ".")) or f"`{folder.name}`" in README, folder.name


def test_pictures_are_there():
    for page in PAGES:
        for picture in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / picture).is_file(), f"{page.name}: {picture}"


# Its Python.


def test_examples_in_the_readme_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    written = [block for block in blocks(README, "python") if ">>> " in block]
    assert written
    runner, output = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS), []
    runner.run(doctest.DocTestParser().get_doctest("\n".join(written), {}, "README", "README.md", 0), out=output.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(output)


def test_python_without_prompts_runs_in_a_trainer_and_on_models_of_the_hub(stage, monkeypatch):
    """In the order of the README, each block with what those before it made."""
    folder = stage({"OWNER/bert-base-sst2", "OWNER/distilbert-sst2", "large", "stanfordnlp/sst2"})
    monkeypatch.chdir(folder)
    card = (ROOT / "metrics" / "trust_equivalence" / "README.md").read_text(encoding="utf-8")
    in_a_trainer, of_the_hub = [
        block for page in (README, card) for block in blocks(page, "python") if ">>> " not in block
    ]
    teacher, rows = classifier(seed=5), REVIEWS["text"]
    encoded = tokenizer()(rows)["input_ids"]
    held_out = [{"input_ids": ids, "labels": label} for ids, label in zip(encoded, REVIEWS["label"], strict=True)]
    with torch.no_grad():
        logits = [teacher(input_ids=torch.tensor([ids])).logits[0].numpy() for ids in encoded]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "trained"),
        eval_strategy="steps",
        eval_steps=2,
        max_steps=4,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    names = {
        "large_model": teacher,
        "texts": rows,
        "labels": REVIEWS["label"],
        "news": OTHER,
        "model": classifier(seed=6, labels=("negative", "positive")),
        "tokenizer": tokenizer(),
        "arguments": arguments,
        "train_set": held_out,
        "held_out": held_out,
    }
    exec(in_a_trainer.replace("every=500", "every=4, explained=3, attacked=3"), names)
    np.testing.assert_allclose(names["teacher_logits"], logits, atol=2e-5)  # float32, in a batch and alone
    trainer = names["trainer"]
    log = trainer.state.log_history
    assert [entry["step"] for entry in log if "eval_calibration_gap/ece_gap" in entry] == [2, 4]
    assert [entry["step"] for entry in log if any("accuracy_fall_gap" in key for key in entry)] == [4]
    said = trainer.predict(held_out)
    again = evaluate.load("metrics/calibration_gap").compute(
        predictions=said.predictions,
        references=said.label_ids,
        large_predictions=names["teacher_logits"],
        from_logits=True,
    )
    of_the_trainer = {key: said.metrics[f"test_calibration_gap/{key}"] for key in again}
    assert of_the_trainer == pytest.approx(again, rel=1e-9)
    exec(of_the_hub, names)
    assert {"report.html", "model_card.md"} <= {path.name for path in (folder / "audits/from-the-hub").iterdir()}


# Its commands.

REVIEWS = {
    "text": [f"the {noun} was {how} {word}" for noun in ("film", "plot", "acting") for how in ("very", "not")
             for word in ("good", "great", "bad", "awful")],
    "label": [int(word in ("good", "great")) for _ in range(6) for word in ("good", "great", "bad", "awful")],
}  # fmt: skip
OTHER = ["the cat sleeps", "a cat is a cat", "the cat and the story", "is the cat fine"] * 4
CHECKPOINTS = {"large", "distil", "tiny", "minilm", "bert-base-finetuned", "bert-base-seed2"}
CHECKPOINTS |= {"OWNER/bert-base-sst2", "OWNER/distilbert-sst2"}
LANGUAGE_MODELS = {"smollm2"}
TABLES = {"glue/sst2", "stanfordnlp/sst2", "sst2/dev.tsv", "sst2/train.tsv", "pairs.csv", "news.tsv"}
TABLES |= {"question_ids.json", "quantized_llms", "movie_reviews.zip", "rt-polarity.neg", "rt-polarity.pos"}


@pytest.fixture
def stage(tmp_path):
    """A folder where the names of a page's commands stand for something; called with those that are needed."""

    def made(names):
        folder = tmp_path / "stage"
        folder.mkdir()
        for shared in ("src", "scripts", "metrics", "spaces", "constraints.txt", "pyproject.toml"):
            (folder / shared).symlink_to(ROOT / shared)
        for seed, name in enumerate(sorted(names & CHECKPOINTS)):
            checkpoint(folder / name, seed=seed, labels=("negative", "positive"), layers=4)
        for name in names & LANGUAGE_MODELS:
            words = [*tiny_language_models.WORDS, "negative", "positive"]  # the answers that blocks choose from
            tiny_language_models.network("llama", words=words).save_pretrained(folder / name)
            tiny_language_models.tokenizer(words=words).save_pretrained(folder / name)
        for name in names & TABLES:
            write_table(folder, name)
        return folder

    return made


def write_table(folder, name):
    reviews = pd.DataFrame({"sentence": REVIEWS["text"], "label": REVIEWS["label"]})
    (folder / name).parent.mkdir(exist_ok=True, parents=True)
    if name.endswith("/sst2"):
        (folder / name).mkdir()
        for split in ("train", "validation"):
            reviews.to_parquet(folder / name / f"{split}.parquet")
    elif name == "quantized_llms":
        (folder / name).mkdir()
        item = {"question": "Why?", "options": {"A": "so", "B": "not so"}, "answer": "A"}
        (folder / name / "items.json").write_text(json.dumps({"arc": [{"id": "1", **item}, {"id": "2", **item}]}))
        for precision in ("fp16", "int8", "int4"):
            run = {
                "model": "Qwen/Qwen2.5-3B",
                "precision": precision,
                "benchmark": "arc",
                "preds": ["A", "B"],
                "confs": [0.9, 0.8],
            }
            (folder / name / f"Qwen__Qwen2.5-3B__{precision}__arc.json").write_text(json.dumps(run))
    elif name == "pairs.csv":
        pairs = {"premise": REVIEWS["text"], "hypothesis": REVIEWS["text"][::-1], "label": REVIEWS["label"]}
        pd.DataFrame(pairs).to_csv(folder / name, index=False)
    elif name == "news.tsv":
        pd.DataFrame({"text": OTHER}).to_csv(folder / name, sep="\t", index=False)
    elif name == "movie_reviews.zip":
        with zipfile.ZipFile(folder / name, "w") as archive:
            for side in ("pos", "neg"):
                archive.writestr(
                    f"movie_reviews/{side}/cv000.txt", "\n".join(f"{text} , {side} ." for text in REVIEWS["text"])
                )
    elif name == "question_ids.json":
        ids = [str(i) for i in range(60)]
        (folder / name).write_text(json.dumps(ids))
        for place, model in enumerate(("bert_large", "bert_base", "distil_bert", "bert_medium")):
            (folder / f"{model}.json").write_text(json.dumps(ids[place : 20 + 3 * place]))
    else:
        reviews.to_csv(folder / name, sep="\t", index=False)


SHIM = f"""#!{sys.executable} -IS
import json, os, sys
if sys.argv[1:2] in (["-c"], ["-"]):
    os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])
with open(os.environ["COMMANDS"], "a") as file:
    file.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
"""
PROGRAMS = ("python", "python3", "pip", "trusteq", "torchrun", "ruff", "mypy", "git", "chromium")


def commands_of(block, folder):
    """What the shell makes of a block: its loops, variables and links are its own, its programs are written down."""
    for place in (folder / ".venv" / "bin", folder / ".programs"):
        place.mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS:
            (place / name).write_text(SHIM)
            (place / name).chmod(0o755)
    written = folder / ".commands"
    written.touch()
    environment = os.environ | {"COMMANDS": str(written), "PATH": f"{folder / '.programs'}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in written.read_text().splitlines()], done.stdout


def shell_blocks():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        of_ci = re.findall(r"^<!-- ci: \w+ -->\n```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        where = str(page.relative_to(ROOT).parent) if page.parent != ROOT else page.stem
        yield from (pytest.param(block, id=f"{where}-{i}") for i, block in enumerate(blocks(text, "bash"))
                    if block not in of_ci)  # fmt: skip


@pytest.mark.parametrize("block", list(shell_blocks()))
def test_commands_run(block, stage, monkeypatch, capsys):
    made = set(re.findall(r"--out (\S+)", block)) | set(re.findall(r"^ln -s .* (\S+)$", block, re.MULTILINE))
    named = {
        name
        for name in CHECKPOINTS | LANGUAGE_MODELS | TABLES
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", block)
    }
    folder = stage(named - made)
    monkeypatch.chdir(folder)
    for clone in re.findall(r"git clone \S+/([\w-]+)", block):
        (folder / clone).mkdir()
    commands, printed = commands_of(block, folder)
    assert commands or printed
    for program, *arguments in commands:
        run_command(program, arguments, folder, capsys)


def run_command(program, arguments, folder, capsys):
    if program == "pip":
        return assert_installs(arguments)
    if program in ("ruff", "mypy", "git") or arguments[:2] in (["-m", "venv"], ["-m", "pytest"]):
        return None  # CI makes environments and runs these; nothing is cloned here
    if program == "torchrun":
        return run_divided(program, arguments, folder)
    if program == "chromium":
        return assert_photographs(arguments, folder)
    if program == "trusteq":
        run = main
        if "--steps" in arguments:
            arguments[arguments.index("--steps") + 1] = "6"
        if "--paper" in arguments:
            arguments.append("--dry-run")  # tests/reproduce/test_reproduce.py runs both papers to the end
    else:
        script, *arguments = arguments
        if script == "spaces/trust_equivalence/app.py":
            return assert_serves(folder)
        assert (ROOT / script).is_file()
        assert script.startswith("scripts/")
        run = importlib.import_module(Path(script).stem).main
    assert not run(arguments), capsys.readouterr().err
    return None


def assert_photographs(arguments, folder):
    """The page is another, but the picture of it is made where and as large as the command says."""
    browser = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not Path(browser).is_file():
        pytest.skip("needs Chromium (apt-get install chromium, or its place in CHROMIUM)")
    page, picture = folder / arguments[-1], folder / ".github" / "report.png"
    for path in (page, picture):
        path.parent.mkdir(parents=True)
    page.write_text("<h1>Can it stand in for large?</h1>")
    done = subprocess.run([browser, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Image.open(picture) as image, Image.open(ROOT / ".github" / "report.png") as ours:
        assert image.size == ours.size


def assert_installs(arguments):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "constraints.txt" in arguments
    (named,) = re.findall(r"^\.\[(.+)\]$", arguments[-1])
    assert set(named.split(",")) <= extras.keys()


def run_divided(program, arguments, folder):
    """Launched as the page says, on a few examples."""
    few = ["--limit", "30", "--explained", "4", "--attacked", "4", "--samples", "20"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port())}
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments, *few],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "against large" in done.stdout


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def assert_serves(folder):
    port = free_port()
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port)}
    command = [sys.executable, "spaces/trust_equivalence/app.py"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            while server.poll() is None:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}") as page:
                    assert page.status == 200
                    return
                time.sleep(0.5)
            raise AssertionError(f"the server ended with {server.returncode}")
        finally:
            server.terminate()
