"""`trusteq`: its help is there at once, a mistake is one line with a suggestion, and nobody else talks."""

import dataclasses
import os
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

import pytest
import tiny_language_models
from small_audits import models, whole

from trusteq.audit.floors import STAND_INS
from trusteq.audit.options import AuditOptions
from trusteq.cli import audit, cascade, compare, compress, finetune, plan, push, repair, reproduce, typed
from trusteq.cli.main import COMMANDS, main
from trusteq.compress.options import CompressOptions, FinetuneOptions
from trusteq.dimensions.attack_divergence import AttackOptions
from trusteq.options import argument_help, arguments_of
from trusteq.records.chosen import ChosenTexts
from trusteq.records.readers.reader import ReadOptions

SLOW = ("torch", "transformers", "evaluate", "datasets", "pandas", "matplotlib", "scipy.stats", "sklearn", "gradio")
COMMAND = [sys.executable, "-m", "trusteq.cli.main"]
WAYS = [f"compress {way}" for way in ("prune", "drop-layers", "int8", "round", "distil", "heal")]


def run(*words, cwd=None):
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, cwd=cwd)


# Help.


@pytest.mark.parametrize("words", ["--help", *(f"{name} --help" for name in [*COMMANDS, *WAYS])])
def test_help_imports_nothing_slow(words):
    slow = (*SLOW, "numpy", "scipy") if words == "--help" else SLOW
    code = f"from trusteq.cli.main import main\ntry:\n    main({words.split()!r})\nexcept SystemExit:\n    pass\n"
    code += f"import sys\nsys.exit(', '.join(name for name in {slow!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "\n"
    assert done.stdout.startswith("usage: trusteq ")


def test_the_help_of_the_command_names_the_four(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for name, what in COMMANDS.items():
        assert re.search(rf"^  {name} +{what}$", said, re.MULTILINE)
    assert main([]) == 2
    assert capsys.readouterr().out == said


PARSERS = {
    "audit": audit.parser(),
    "cascade": cascade.parser(),
    "compare": compare.parser(),
    "finetune": finetune.parser(),
    "plan": plan.parser(),
    "push": push.parser(),
    "repair": repair.parser(),
    "reproduce": reproduce.parser(),
    **{way: compress.parser(way.split()[1]) for way in WAYS},
}


@pytest.mark.parametrize("name", PARSERS)
def test_help_begins_with_an_example_and_every_option_stands_under_a_heading(name):
    said = PARSERS[name].format_help()
    usage, about, options = re.split(r"\n\n(?=Can |Makes |Trains |Compares |options:)", said, maxsplit=2)
    assert usage.startswith(f"usage: trusteq {name} ")
    assert f"\n    trusteq {name}" in about
    plain = options.split("\n\n")[0]
    assert plain.splitlines()[1:] == [next(line for line in said.splitlines() if line.startswith("  -h, --help"))]


KINDS = {
    AuditOptions: ("audit", {"details", "from_logits", "attack_options"}),  # of code, and of predictions
    ChosenTexts: ("audit", set()),
    audit.Family: ("audit", set()),
    audit.Asked: ("audit", set()),
    compare.CompareOptions: ("compare", set()),
    ReadOptions: ("compare", {"model"}),  # every place holds a model of its own
    FinetuneOptions: ("finetune", set()),
    reproduce.ReproduceOptions: ("reproduce", set()),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_is_explained_and_has_a_flag_that_shows_its_default(kind):
    name, untyped = KINDS[kind]
    parser, explained = PARSERS[name], argument_help(f"Args:\n{arguments_of(kind)}")
    entries = {action.dest: action for action in parser._actions}
    assert {field.name for field in dataclasses.fields(kind)} == set(explained)
    for field in (field for field in dataclasses.fields(kind) if field.name not in untyped):
        action = entries[field.name]
        assert action.option_strings == ([] if field.name == "places" else ["--" + field.name.replace("_", "-")])
        plain = re.sub(r" \(in code[^)]*\)", "", explained[field.name]).rstrip(".").replace("%", "%%")
        assert action.help.startswith(plain)
        if field.default is dataclasses.MISSING:
            assert action.help.endswith("(required)")
        elif field.default not in (None, False, ()) and "(default" not in plain:
            shown = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
            assert action.help.endswith(f"(default: {shown})")
    assert not untyped & set(entries)


def test_every_floor_that_the_command_takes_is_offered_by_its_help():
    help = next(action.help for action in PARSERS["audit"]._actions if action.dest == "floor")
    assert all(f'"{name}"' in help for name in STAND_INS)
    assert "in code" not in help


def test_options_of_attacks_and_of_ways_to_compress_are_those_of_their_dataclasses():
    attack = argument_help(f"Args:\n{arguments_of(AttackOptions)}")
    flags = {action.dest for action in PARSERS["audit"]._actions}
    assert set(audit.OF_ATTACKS) <= flags & set(attack)
    own = {"compress prune": {"share"}, "compress drop-layers": {"keep"}, "compress int8": set()}
    own["compress round"] = {"bits", "group"}
    for way, more in own.items():
        assert {action.dest for action in PARSERS[way]._actions} == {"help", "model", "out", *more}
    assert {field.name for field in dataclasses.fields(CompressOptions)} == {
        "model",
        "out",
        "share",
        "keep",
        "bits",
        "group",
    }
    distil = {action.dest for action in PARSERS["compress distil"]._actions}
    assert distil == {field.name for field in dataclasses.fields(FinetuneOptions)} - {"from_scratch"} | {"help"}


def test_the_documentation_of_the_metrics_holds_the_same_explanations():
    import evaluate

    for name, kind in (("trust_equivalence", AuditOptions), ("attack_divergence", AttackOptions)):
        assert arguments_of(kind) in evaluate.load(f"metrics/{name}").inputs_description


# Mistakes.

TYPED = {
    "adit": "trusteq: there is no command adit; did you mean audit?",
    "frobnicate": "trusteq: there is no command frobnicate; there are audit, cascade, compare, compress, finetune",
    "audit --compresed x": "trusteq audit: there is no option --compresed; did you mean --compressed?",
    "audit --compresed=x": "trusteq audit: there is no option --compresed; did you mean --compressed?",
    "audit --xyz": "trusteq audit: there is no option --xyz; trusteq audit --help lists them",
    "audit --sample 3": "trusteq audit: there is no option --sample; did you mean --samples?",
    "audit reviews.csv": "trusteq audit: 'reviews.csv' is one word too many",
    "audit --limit": "trusteq audit: --limit needs a value",
    "audit --k": "trusteq audit: --k needs one value or more",
    "audit --text-pair a": "trusteq audit: --text-pair needs 2 values",
    "audit --resume=no": "trusteq audit: --resume takes no value",
    "audit --limit few": "trusteq audit: --limit must be a whole number, got 'few'",
    "audit --limit 0": "trusteq audit: --limit must be 1 or more, got 0",
    "audit --confidence-level high": "trusteq audit: --confidence-level must be a number, got 'high'",
    "audit --margins calibration_gap": "trusteq audit: --margins must be NAME=NUMBER, got 'calibration_gap'",
    "audit --margins calibration_gap=-1":
        "trusteq audit: --margins calibration_gap must be a number above 0 and below 2, got -1",
    "audit --pairs some": "trusteq audit: --pairs must be 'large' or 'all', got 'some'",
    "audit --dimensions calibration": "trusteq audit: --dimensions must be 'prediction_error_jaccard' or ",
    "audit --n-bins 0": "trusteq audit: --n-bins must be a whole number of at least 1, got 0",
    "audit --compressed x": "trusteq audit: --large is missing: the model that the others are compared with",
    "cascade": "trusteq cascade: audit is missing: the folder of a finished audit",
    "cascade x --modl y": "trusteq cascade: there is no option --modl; did you mean --model?",
    "compare --lage x": "trusteq compare: there is no option --lage; did you mean --large?",
    "compare --large x": "trusteq compare: give the large model's answers and those of a compressed one: two places",
    "compare a b --fail-on same": "trusteq compare: --fail-on must be 'different' or 'inconclusive', got 'same'",
    "compare a b --margin calibration=1": "trusteq compare: --margins must be 'prediction_error_jaccard' or ",
    "compare a b --format lm": "trusteq compare: --format must be ",
    "compare a runs/b other/b": "trusteq compare: --compressed has two models called b: give them names, NAME=PLACE",
    "compress prun x": "trusteq compress: there is no way to compress prun; did you mean prune?",
    "compress prune --out x": "trusteq compress: model is missing: the trained checkpoint: a folder or a Hub id",
    "compress prune x": "trusteq compress: --out is missing: folder for the compressed model",
    "compress prune x --out y --keep 1": "trusteq compress: there is no option --keep; trusteq compress prune --help",
    "compress distil x --out y": "trusteq compress: --dataset is missing: training data",
    "finetune --modl x --out y": "trusteq finetune: there is no option --modl; did you mean --model?",
    "finetune --model x": "trusteq finetune: --out is missing: folder for the trained model",
    "finetune --model x --out y --dataset z --preset paper":
        "trusteq finetune: --preset must be 'paper-b-nli' or 'paper-b-pi', got 'paper'",
    "finetune --model x --out y --dataset z --batch-size 0":
        "trusteq finetune: --batch-size must be 1 or more, got 0",
    "finetune --model x --out y --dataset z --width 3":
        "trusteq finetune: --width, --heads and --reuse-embeddings shape a new model: add --from-scratch",
    "reproduce": "trusteq reproduce: give one of three: --paper miniature, --paper trust, or lists of",
    "reproduce --paper trust --errors a b": "trusteq reproduce: give one of three: --paper miniature, --paper trust",
    "reproduce --paper b": "trusteq reproduce: --paper must be 'miniature' or 'trust', got 'b'",
    "reproduce --paper trust --limit 5": "trusteq reproduce: --limit must be 20 or more: the neighbours of ten texts",
    "reproduce --paper trust": "trusteq reproduce: --data is missing: at the small scale, the folder that holds sick/",
    "repair x --dataset y --out z": "trusteq repair: --like is missing: the large model that it stands in for",
    "repair x --like y --dataset z --out o --to mean": "trusteq repair: --to must be 'truth' or 'large', got 'mean'",
}  # fmt: skip


@pytest.mark.parametrize("words", TYPED)
def test_a_mistake_is_one_line_and_exit_status_2(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert said.err.startswith(TYPED[words])
    assert (said.err.count("\n"), said.out) == (1, "")
    assert list(tmp_path.iterdir()) == []


def test_what_the_code_calls_an_argument_the_command_calls_an_option():
    flags = PARSERS["audit"].flags
    said = {
        "x holds an audit already: give resume=True to go on with it":
            "x holds an audit already: give --resume to go on with it",
        "do not match by name: give labels={name: class number} with":
            "do not match by name: give --labels NAME=NUMBER with",
        "bert_attack needs masked_model: a path": "bert_attack needs --masked-model: a path",
        "large has 2 classes but tiny has 3": "large has 2 classes but tiny has 3",
        "there is no file /a/word_vectors/b": "there is no file /a/word_vectors/b",
    }  # fmt: skip
    assert {message: typed.in_flags(message, flags) for message in said} == said


@pytest.mark.parametrize("name", [*PARSERS])
def test_control_c_is_exit_status_130(name, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(typed.Parser, "read", interrupted)
    assert main(name.split()) == 130
    assert capsys.readouterr().err == "\nstopped\n"


def test_control_c_while_a_command_is_imported_is_exit_status_130_too(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    assert main(["audit"]) == 130
    assert capsys.readouterr().err == "\nstopped\n"


# Nobody else talks.

BAR = r"(?:{what:<14} +\d+%, [\d:]+ gone(?:, [\d:]+ left)?\n)+"


def bars(*names):
    return "".join(BAR.format(what=name) for name in names)


AUDITED = bars("clean answers", "ood texts", "explanations", "attacks")
EPOCH = r"epoch {}: loss \d\.\d+, accuracy \d\.\d+\n"
TRAINED = EPOCH.format("1 of 2") + EPOCH.format("2 of 2") + bars("training")


def talking(place, tmp_path):
    """Commands on tiny checkpoints, and all that they may say on standard error."""
    file = ["--dataset", place / "reviews.csv", "--eval-dataset", place / "reviews.csv", "--epochs", "2"]
    size = ["--layers", "1", "--width", "16", "--heads", "2"]
    out = ["--out", tmp_path / "out"]
    (tmp_path / "unlabelled.csv").write_text("text,label\nthe film was good,positive\na cat sleeps,\nbad,negative\n")
    some = ["--dataset", tmp_path / "unlabelled.csv", "--dimensions", "prediction_error_jaccard"]
    (tmp_path / "texts.txt").write_text("the film was good\na cat sleeps\nthe plot was bad\n" * 2)
    for seed, name in enumerate(("language", "healthy")):
        tiny_language_models.network("llama", seed=seed).save_pretrained(tmp_path / name)
        tiny_language_models.tokenizer().save_pretrained(tmp_path / name)
    heal = [tmp_path / "language", "--teacher", tmp_path / "healthy", "--text-only", tmp_path / "texts.txt"]
    return {
        "audit": ([*whole(place), "--compressed", place / "small", "derived:quantized", *out], AUDITED),
        "audit, unlabelled": (
            [*models(place), *some, *out],
            r"unlabelled\.csv: 1 row has no label and is left out\n" + bars("clean answers"),
        ),
        "compare": (out, ""),
        "compress prune": ([place / "large", *out], ""),
        "compress drop-layers": ([place / "large", "--keep", "1", *out], ""),
        "compress int8": ([place / "large", *out], ""),
        "compress round": ([place / "large", "--bits", "4", *out], ""),
        "compress distil": ([place / "large", *size, *file, *out], rf"the teacher \S+: accuracy .*\n{TRAINED}"),
        "compress heal": ([*heal, "--steps", "4", *out], "3 of 6 texts .*: 3 repeated\n" + bars("training")),
        "finetune": (["--model", place / "large", *file, *out], TRAINED),
    }  # fmt: skip


WITHOUT = version("transformers") < "5" or find_spec("torchao") is None
INT8 = pytest.mark.skipif(WITHOUT, reason="int8 needs transformers 5 and torchao, as it says itself")


@pytest.mark.parametrize(
    "name",
    [
        *("audit", "audit, unlabelled", "compare", "finetune"),
        *(pytest.param(way, marks=INT8) if way.endswith("int8") else way for way in WAYS),
    ],
)
def test_standard_error_holds_what_is_ours(name, place, tmp_path):
    words, ours = talking(place, tmp_path)[name]
    done = run(*name.partition(",")[0].split(), *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(ours, done.stderr), done.stderr
    for line in (done.stdout + done.stderr).splitlines():
        assert line == line.rstrip()
        assert "\r" not in line
        assert "Loading weights" not in line


def test_threads_that_wait_let_others_work():
    """Where a machine is busy, OpenMP's threads would spin for as long as the others compute."""
    code = "import os\nfrom trusteq.cli.main import main\nmain(['nothing'])\nprint(os.environ.get('OMP_WAIT_POLICY'))\n"
    code += "try:\n    main(['audit', '--help'])\nfinally:\n    print(os.environ['OMP_WAIT_POLICY'])"
    for given, used in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        kept = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        environment = kept | ({"OMP_WAIT_POLICY": given} if given else {})
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert done.stdout.splitlines()[-1] == used
