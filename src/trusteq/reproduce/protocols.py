"""What does each paper do? Its models, tasks and settings, at full scale and at a small one that a laptop can run.

A is "Compressed models are NOT miniature versions of large models" (arXiv 2407.13174), B is "Compressed Models are NOT
Trust-equivalent to Their Large Counterparts" (arXiv 2508.13533). What a paper leaves open is our choice and marked so.
At the small scale everything runs through the same code, on local data and on one small encoder of which the members
of the family keep fewer and fewer layers; each stands where a model of the paper stood.
"""

from dataclasses import dataclass, field, replace
from typing import Any

SEED = 42  # paper B's; a twin has the next one


@dataclass(frozen=True)
class Member:
    """A model of the family; the first one is the large one."""

    name: str
    source: str  # a Hub id; "encoder": the small encoder
    stands_for: str  # the paper's name of the model in whose place it is
    keep: tuple[int, ...] = ()  # of the small encoder, the layers that stay; none: all


@dataclass(frozen=True)
class Task:
    """A data set and what is done with it; `train` are options of `trusteq finetune`, or of question_training."""

    name: str
    data: str
    rows: dict[str, int | None]  # of each split, at most so many; None: all
    train: dict[str, Any]
    classes: tuple[str, ...] = ()  # none: questions about a text
    audits: dict[str, dict[str, Any]] = field(default_factory=dict)  # by name, options of trust_equivalence


@dataclass(frozen=True)
class Protocol:
    paper: str
    scale: str
    members: tuple[Member, ...]
    tasks: tuple[Task, ...]

    @property
    def seeds(self) -> dict[str, int]:
        """Of every model that is trained, twin included."""
        return {self.large: SEED, "twin": SEED + 1} | {member.name: SEED for member in self.members[1:]}

    @property
    def large(self) -> str:
        return self.members[0].name

    def member(self, name: str) -> Member:
        """The twin is the large model, trained again."""
        return next((member for member in self.members if member.name == name), self.members[0])


# The published figures, where they are known.

ERRORS = {  # of 11,873 questions of SQuAD 2.0; counted in the lists that the authors published
    "BERT-large": 2701, "BERT-base": 3236, "DistilBERT": 4294, "BERT-medium": 4026,
}  # fmt: skip
QUESTIONS = 11_873
JACCARD = {  # of the error sets; from the same lists
    ("BERT-base", "BERT-large"): 0.528,
    ("DistilBERT", "BERT-large"): 0.410,
    ("BERT-medium", "BERT-large"): 0.421,
    ("DistilBERT", "BERT-base"): 0.487,
    ("BERT-medium", "BERT-base"): 0.502,
    ("BERT-medium", "DistilBERT"): 0.566,
}
FALL = {"BERT-large": 0.40, "Tiny-BERT": 0.87}  # of the accuracy, under TextBugger
ACCURACY = {  # in percent
    "nli": {"BERT-base": 90.09, "DistilBERT": 87.97, "BERT-Medium": 88.18, "BERT-Mini": 85.12, "BERT-Tiny": 79.9},
    "pi": {"BERT-base": 90.85, "DistilBERT": 89.9, "BERT-Medium": 89.89, "BERT-Mini": 88.4, "BERT-Tiny": 84.19},
}

# The families.

ENCODERS = {
    "BERT-large": "google-bert/bert-large-uncased",
    "BERT-base": "google-bert/bert-base-uncased",
    "DistilBERT": "distilbert/distilbert-base-uncased",
    "BERT-medium": "google/bert_uncased_L-8_H-512_A-8",
    "BERT-mini": "google/bert_uncased_L-4_H-256_A-4",
    "Tiny-BERT": "google/bert_uncased_L-2_H-128_A-2",
}
NAMES_IN_B = {"BERT-medium": "BERT-Medium", "BERT-mini": "BERT-Mini", "Tiny-BERT": "BERT-Tiny"}


def family(paper: str, scale: str) -> tuple[Member, ...]:
    names = list(ENCODERS) if paper == "miniature" else list(ENCODERS)[1:]
    called = names if paper == "miniature" else [NAMES_IN_B.get(name, name) for name in names]
    if scale == "full":
        return tuple(Member(own, ENCODERS[name], own) for name, own in zip(names, called, strict=True))
    # Where DistilBERT began, every second layer stays; the others are our choice.
    layers: list[tuple[int, ...]] = [(), (0, 2, 4), (0, 1, 3, 5), (0, 3), (0,)]
    if paper == "miniature":
        layers.insert(1, (0, 1, 2, 3, 5))
    return tuple(Member(layers_of(keep), "encoder", own, keep) for own, keep in zip(called, layers, strict=True))


def layers_of(keep: tuple[int, ...]) -> str:
    return "1 layer" if len(keep) == 1 else f"{len(keep) or 6} layers"


# The tasks.

BELOW = {"dtype": "float32", "seed": SEED}  # of every audit


def explaining(task: str, method: str, samples: int, explained: int | None, *more: str) -> dict[str, Any]:
    """Paper B: the gold class, the first 10 distinct words, three runs, and its own conventions of calibration. On NLI
    words count by the size of their weight, on PI only those that support the class, and the seeds begin one later."""
    chosen = {"method": method, "samples": samples, "explained": explained, "k": [10], "runs": 3, "explain": "gold"}
    own = {"rank": "absolute", "seed": SEED} if task == "nli" else {"rank": "support", "seed": SEED + 1}
    bins = {"n_bins": 10, "binning": "quantile", "convention": "paper-b"} if more else {}
    return {"dimensions": [*more, "attribution_alignment"], **bins, **chosen, **BELOW, **own}


METHODS = {"nli": ("lime_package", "shap"), "pi": ("lime_package", "shap_permutation")}


def trust_tasks(scale: str) -> tuple[Task, ...]:
    samples: dict[str, tuple[int, int]]  # of the two methods
    if scale == "full":
        many: dict[str, int | None] = {"train": None, "dev": None, "test": None}
        nli = Task("nli", "SNLI", many, {"preset": "paper-b-nli"}, ("entailment", "neutral", "contradiction"))
        pi = Task("pi", "QQP", many | {"test": 15_000}, {"preset": "paper-b-pi"}, ("not_duplicate", "duplicate"))
        samples, texts = {"nli": (1000, 500), "pi": (100, 100)}, None
    else:
        few: dict[str, int | None] = {"train": 1600, "dev": 300, "test": 800}
        short = {"epochs": 3, "learning_rate": 1e-4, "max_length": 96, "bf16": True}
        nli = Task("nli", "SICK", few, short, ("entailment", "neutral", "contradiction"))
        pi = Task("pi", "MRPC", few, short, ("not_paraphrase", "paraphrase"))
        samples, texts = {"nli": (100, 100), "pi": (100, 100)}, 24
    found = []
    for task in (nli, pi):
        lime, shap = zip(METHODS[task.name], samples[task.name], strict=True)
        audits = {
            "lime": explaining(task.name, *lime, texts, "calibration_gap"),
            "shap": explaining(task.name, *shap, texts),
        }
        found.append(replace(task, audits=audits))
    return tuple(found)


def miniature_tasks(scale: str) -> tuple[Task, ...]:
    """The paper's training settings are not known here: these are our choice. TextBugger's texts must stay alike, by a
    sentence encoder: at the small scale, the very one that the family begins with."""
    like = {"small": "encoder", "full": "sentence-transformers/all-MiniLM-L6-v2"}[scale]
    attack: dict[str, Any] = {
        **BELOW,
        "dimensions": ["attack_divergence"],
        "attack": "textbugger",
        "attack_options": {"similarity": like},
        "pairs": "all",
    }
    if scale == "full":
        qa = Task(
            "qa",
            "SQuAD 2.0; out-of-distribution: NewsQA",
            {"train": None, "test": None, "ood": None},
            {"epochs": 2, "learning_rate": 3e-5, "length": 384, "stride": 128},
        )
        sentiment = Task(
            "sentiment",
            "IMDB",
            {"train": None, "dev": 2500, "test": None},
            {"epochs": 3, "learning_rate": 2e-5, "max_length": 512},
            ("negative", "positive"),
            {"attack": attack | {"attacked": 1000}},
        )
    else:
        qa = Task(
            "qa",
            "questions left out of MRPC's sentences (cloze.py); out-of-distribution: those of SICK's",
            {"train": 1800, "test": 800, "ood": 300},
            {"epochs": 3, "learning_rate": 3e-4, "length": 128, "stride": 32, "bf16": True},
        )
        sentiment = Task(
            "sentiment",
            "SST-2",
            {"train": 8000, "dev": 300, "test": 872},
            {"epochs": 2, "learning_rate": 1e-4, "max_length": 64, "bf16": True},
            ("negative", "positive"),
            {"attack": attack | {"attacked": 100}},
        )
    return qa, sentiment


def protocol(paper: str, scale: str, limit: int | None = None) -> Protocol:
    """A paper at a scale; `limit`: at most so many rows of everything, to see it run.

    >>> [member.stands_for for member in protocol("trust", "small").members]
    ['BERT-base', 'DistilBERT', 'BERT-Medium', 'BERT-Mini', 'BERT-Tiny']
    >>> protocol("miniature", "full").tasks[0].data
    'SQuAD 2.0; out-of-distribution: NewsQA'
    """
    tasks = (trust_tasks if paper == "trust" else miniature_tasks)(scale)
    if limit is not None:
        tasks = tuple(
            replace(
                task,
                rows={split: min(limit, rows or limit) for split, rows in task.rows.items()},
                audits={name: limited(audit, limit) for name, audit in task.audits.items()},
            )
            for task in tasks
        )
    return Protocol(paper, scale, family(paper, scale), tasks)


FAULTS = {  # of the authors' scripts: where a run to the letter of the paper cannot give their figures
    "nli": (
        "LIME could remove the word SEP between the two texts, which left the second empty in half of the perturbed "
        "texts, and SEP stood in 50 to 65 % of the top tens; here the boundary stays and is no word",
        "SHAP dropped the last token",
    ),
    "pi": (
        "LIME's separator was two spaces, which removing words makes too: the boundary was right in 12 of 199 "
        "perturbed texts; here it stays",
        "SHAP's masker made one space of them, so that every second question was empty; here it is not",
    ),
}


def limited(audit: dict[str, Any], limit: int) -> dict[str, Any]:
    return audit | {name: min(limit, audit[name] or limit) for name in ("explained", "attacked") if name in audit}


def plan(protocol: Protocol) -> str:
    """What would be done, step by step, in words; nothing is fetched."""
    lines = [f"paper {protocol.paper}, {protocol.scale} scale", "models:"]
    for member in protocol.members:
        layers = f", layers {' '.join(map(str, member.keep))}" if member.keep else ""
        place = "" if member.name == member.stands_for else f", in the place of {member.stands_for}"
        lines.append(f"  {member.name}: {member.source}{layers}{place}")
    seeds = protocol.seeds
    lines.append(f"  twin: {protocol.members[0].source} again, with seed {seeds['twin']} for {seeds[protocol.large]}")
    for task in protocol.tasks:
        sizes = ", ".join(f"{split} {rows or 'all'}" for split, rows in task.rows.items())
        lines += [f"{task.name}: {task.data} ({sizes})"]
        how = "trusteq finetune" if task.classes else "to answer questions,"
        lines.append(f"  train {len(protocol.seeds)} models: {how} {' '.join(flags(task.train))}")
        if not task.classes:
            lines.append("  compare all pairs: prediction_error_jaccard, representation_overlap, ood_divergence")
        for name, audit in task.audits.items():
            lines.append(f"  audit {name}: " + ", ".join(f"{key}={value}" for key, value in audit.items()))
        if protocol.scale == "full":
            lines += [f"  unlike the authors: {fault}" for fault in FAULTS.get(task.name, ())]
    return "\n".join(lines)


def flags(options: dict[str, Any]) -> list[str]:
    """Options as a command takes them.

    >>> flags({"max_length": 96, "bf16": True, "names": ("a", "b")})
    ['--max-length', '96', '--bf16', '--names', 'a', 'b']
    """
    words = []
    for name, value in options.items():
        values = list(value) if isinstance(value, tuple) else [] if value is True else [value]
        words += ["--" + name.replace("_", "-"), *map(str, values)]
    return words
