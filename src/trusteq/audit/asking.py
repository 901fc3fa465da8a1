"""What is asked of every model for an audit: clean answers, explanations, attacks; and what cannot be asked."""

import os
import uuid
from collections.abc import Iterable
from contextlib import closing
from importlib import util
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from trusteq.attack.attacking import attack_each, check_changeable, no_wording
from trusteq.audit.family import Member, of_file
from trusteq.audit.floors import of_compressed
from trusteq.audit.memo import Run
from trusteq.audit.work import clean_answers, each_example, reason_of, surprise, transfers
from trusteq.checks import InVain
from trusteq.dimensions import attack_divergence, attribution_alignment
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.explain.explaining import explain_each, no_shots
from trusteq.explain.gradients import GRADIENTS
from trusteq.kinds.text import Text, is_blank
from trusteq.models.checkpoints import looks_local
from trusteq.models.labels import gold, gold_labels
from trusteq.neighbors import apart
from trusteq.options import VERSION, read_options
from trusteq.strangeness import SURPRISES

NEEDS = ("answers", "embeddings", "ood", "explanations", "attacks")  # what a dimension may need of the models
THIS_PROCESS = uuid.uuid4().hex
OBJECTS: dict[int, Any] = {}
Pair = tuple[str, str]  # the compressed model's name (or whichever comes later in the family), the large one's


def work_once(
    run: Run, references: Any, ood_texts: list[Text] | None, options: Any
) -> tuple[Work, dict[str, Any], dict[str, str]]:
    """What every model says; what the models are; and why a dimension is left out, for those that are."""
    about, labels = checked(run, references, options)
    work = Work(labels, run.texts)
    skipped = not_possible(run, about, ood_texts, options)
    wanted = [name for name in options.asked if name not in skipped]
    do_work(run, work, ood_texts, pairs_of(run.members, options), wanted, options)
    return work, about, skipped


def checked(run: Run, references: Any, options: Any) -> tuple[dict[str, Any], np.ndarray]:
    """What the models are, and the classes of the texts; whatever is wrong with them or the settings is an error."""
    check_settings(options)
    check_ways(run, options)
    about = {}
    for member in run.members:
        about[member.name] = member.about(run.store)
        rest(member, options)
    check_classes(about)
    return about, gold(gold_labels(references, len(run.texts)), classes_of(about["large"]), options.labels)


def rest(member: Member, options: Any) -> None:
    """Lets go of a model that is easily made again, unless all are going to be asked side by side."""
    if not any(DIMENSIONS[name].needs in ("explanations", "attacks") for name in options.asked):
        member.rest()


def pairs_of(members: list[Member], options: Any) -> list[Pair]:
    """Every other model with the large one, or all pairs, the one that is earlier in the family as the large one; of a
    floor that is measured from the compressed model, the twins with that one."""
    names = [member.name for member in members]
    if of_compressed(options):
        large, *twins, compressed = names
        return [*((twin, compressed) for twin in twins), (compressed, large)]
    if options.pairs == "all":
        return [(compressed, large) for large, compressed in combinations(names, 2)]
    return [(name, names[0]) for name in names[1:]]


def classes_of(about: dict[str, Any]) -> Any:
    """What `gold` asks of a model, without opening it."""
    return SimpleNamespace(name="large", classes=about["classes"], names=about["names"])


def check_settings(options: Any) -> None:
    """What a dimension would not take is said before hours of work, not after."""
    for name in options.asked:
        read_options(DIMENSIONS[name].options, DIMENSIONS[name].settings(options))
    if any(DIMENSIONS[name].needs == "attacks" for name in options.asked):
        check_attack_files(options.attack, options.attack_options or {})


def check_ways(run: Run, options: Any) -> None:
    """Whether the models, as they are asked, and the texts have what is to be taken away or changed."""
    needs = {DIMENSIONS[name].needs for name in options.asked}
    if "attacks" in needs:
        check_changeable(options.attack, run.texts)
    for member in run.members:
        asked = (member.large if member.derived and member.large else member).prompting
        if "attacks" in needs and options.attack == "wording" and not asked:
            raise ValueError(no_wording(member.name))
        if "explanations" in needs and options.units == "shots" and not any(one.get("shots") for one in asked):
            raise ValueError(no_shots(member.name))
        if "explanations" in needs and options.explains == "next_token" and not asked:
            raise ValueError(f'explains="next_token" is for language models, and {member.name} has no prompt')


def check_attack_files(attack: Any, asked: dict[str, Any]) -> None:
    vectors = asked.get("word_vectors")
    if isinstance(vectors, str | os.PathLike) and not Path(vectors).is_file():
        raise ValueError(f"word_vectors: there is no file {vectors}")
    for name in ("similarity", "masked_model"):
        model = asked.get(name)
        if isinstance(model, str) and looks_local(model) and not Path(os.path.expanduser(model)).is_dir():
            raise ValueError(f"{name}: there is no folder {model}")
    if isinstance(attack, str) and attack.startswith("textattack:") and util.find_spec("textattack") is None:
        raise ValueError(f"attack {attack} needs the package textattack, which is not installed")


def check_classes(about: dict[str, dict[str, Any]]) -> None:
    counts = {name: one["classes"] for name, one in about.items()}
    for name, count in counts.items():
        if count != counts["large"]:
            raise ValueError(f"large has {counts['large']} classes but {name} has {count}")


def not_possible(run: Run, about: dict[str, Any], ood_texts: list[Text] | None, options: Any) -> dict[str, str]:
    """Why a dimension is left out, in a sentence, for those that are."""
    without = [name for name, one in about.items() if not one.get("embeddings")]
    blank = all(map(is_blank, run.texts))
    no_embeddings = f"{without[0]} is a function and has no embeddings" if without else ""
    no_embeddings = lacking(about, "embeddings") or no_embeddings
    mute = [member.name for member in run.members if not member.speaks]
    no_score = no_embeddings if options.score == "hidden" else ""
    if options.score in SURPRISES and mute:
        no_score = f"the score {options.score} is of language models, and {mute[0]} is none"
    elif options.score in SURPRISES:
        no_score = lacking(about, options.score)
    no_gradients = lacking(about, "gradients") if options.method in GRADIENTS else ""
    missing = {
        "ood": no_score if ood_texts else "it needs out-of-distribution texts, and none were given",
        "embeddings": no_embeddings,
        "explanations": "all texts are blank" if blank else no_gradients,
        "attacks": "all texts are blank" if blank else "",
    }
    reasons: dict[str, str] = {}
    for dimension in (DIMENSIONS[name] for name in options.asked):
        least, reason = dimension.least(options), missing.get(dimension.needs, "")
        few = f"it needs at least {least} examples, got {len(run.texts)}" if len(run.texts) < least else ""
        if reason or few:
            reasons[dimension.name] = reason if dimension.needs == "ood" and reason else few or reason
    return reasons


def lacking(about: dict[str, Any], what: str) -> str:
    """The first model that cannot be asked for something, and why."""
    return next((f"{name} {one['lacks'][what]}" for name, one in about.items() if what in one.get("lacks", {})), "")


def do_work(
    run: Run, work: Work, ood_texts: list[Text] | None, pairs: list[Pair], wanted: list[str], options: Any
) -> None:
    needing = {need: [name for name in wanted if DIMENSIONS[name].needs == need] for need in NEEDS}
    with closing(run.progress("clean answers", len(run.texts) * len(run.members))) as bar:
        for member in run.members:
            if needing["ood"] and ood_texts and options.score in SURPRISES:
                member.listens = options.score
            hidden = bool(needing["embeddings"]) or bool(needing["ood"] and options.score == "hidden")
            answers = clean_answers(run, member, run.texts, hidden, bar)
            work.probabilities[member.name], pooled, told = answers
            if told is not None:
                work.told[member.name] = told
            if pooled is not None:
                work.embeddings[member.name] = pooled
                if not np.isfinite(pooled).all():
                    reasons = {member.name: f"{member.name}'s embeddings hold NaN or infinity"}
                    note(work, needing["embeddings"], reasons)
            rest(member, options)
    if needing["ood"] and ood_texts:
        count = len(ood_texts) + (len(run.texts) if options.score in SURPRISES else 0)
        with closing(run.progress("ood texts", count * len(run.members))) as bar:
            for member in run.members:
                try:
                    score_ood(run, work, member, ood_texts, options.score, bar)
                except InVain:
                    raise
                except ValueError as error:
                    note(work, needing["ood"], {member.name: reason_of(error)})
                rest(member, options)
    order = [i for i in order_of(len(run.texts), options) if not is_blank(run.texts[i])]
    if needing["explanations"]:
        note(work, needing["explanations"], explain(run, work, sorted(order[: options.explained]), options))
    if needing["attacks"]:
        note(work, needing["attacks"], attack(run, work, sorted(order[: options.attacked]), pairs, options))


def score_ood(run: Run, work: Work, member: Member, ood_texts: list[Text], score: str, bar: Any) -> None:
    """What a model makes of texts of another kind: its probabilities, or how strange these and the ordinary are."""
    name = member.name
    if score in SURPRISES:
        inside, outside = (surprise(run, member, texts, score, bar) for texts in (run.texts, ood_texts))
        work.strangeness[name], work.ood[name] = inside, outside
    elif score == "hidden":
        _, pooled, _ = clean_answers(run, member, ood_texts, True, bar)
        assert pooled is not None  # all members have embeddings, or the dimension is left out
        rows = work.embeddings[name]
        work.strangeness[name], work.ood[name] = apart(rows, rows, own=True), apart(rows, pooled)
    else:
        work.ood[name], *_ = clean_answers(run, member, ood_texts, False, bar)


def order_of(count: int, options: Any) -> list[int]:
    """Which texts are probed first; those of an audit that looks again and again are in random order already."""
    if options.until_settled is not None:
        return list(range(count))
    return np.random.default_rng(options.seed).permutation(count).tolist()


def note(work: Work, dimensions: list[str], reasons: dict[str, str]) -> None:
    """Which dimensions these models failed in, and why."""
    work.failures |= {(dimension, name): reason for dimension in dimensions for name, reason in reasons.items()}


def explain(run: Run, work: Work, indices: list[int], options: Any) -> dict[str, str]:
    asked = attribution_alignment.settings(options)
    own = attribution_alignment.AlignmentOptions(**asked, labels=options.labels)

    def explore(models: dict[str, Any], todo: dict[str, list[int]]) -> Iterable[tuple[int, str, Any]]:
        return explain_each(run.texts, work.gold.tolist(), models, todo, own)

    known = [{name: value for name, value in asked.items() if name != "k"}, VERSION]
    work.explained = indices
    work.explanations, reasons = each_example(run, "explanations", indices, work.gold, known, explore)
    return reasons


def attack(run: Run, work: Work, indices: list[int], pairs: list[Pair], options: Any) -> dict[str, str]:
    asked = attack_divergence.settings(options)
    own = attack_divergence.AttackOptions(**asked, labels=options.labels)

    def explore(models: dict[str, Any], todo: dict[str, list[int]]) -> Iterable[tuple[int, str, Any]]:
        for index, name, outcome in attack_each(run.texts, work.gold.tolist(), models, todo, own):
            yield index, name, outcome.as_dict()

    known = [{name: known_as(value) for name, value in asked.items()}, VERSION]
    abouts = [member.about(run.store) for member in run.members]
    if not all(about.get("embeddings") or about.get("lacks") for about in abouts):
        known.append(THIS_PROCESS)  # a function is known by what it says of the texts, and not of misspelt ones
    work.attacked = indices
    work.outcomes, reasons = each_example(run, "attacks", indices, work.gold, known, explore)
    whole = {name: found for name, found in work.outcomes.items() if name not in reasons}
    both_ways = [way for a, b in pairs if a in whole and b in whole for way in ((a, b), (b, a))]
    work.transfers, more = transfers(run, whole, both_ways, known)
    return reasons | more


def known_as(value: Any) -> Any:
    """A setting as what decides it: a file by what it holds; an object, which may be another next time, by this run."""
    if isinstance(value, str | os.PathLike) and Path(os.path.expanduser(value)).exists():
        place = Path(os.path.expanduser(value))
        files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        return [[file.name, of_file(file)] for file in files]
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return list(value)
    OBJECTS[id(value)] = value  # kept alive, so that no other object gets its number
    return f"{type(value).__name__} {id(value)} of {THIS_PROCESS}"
