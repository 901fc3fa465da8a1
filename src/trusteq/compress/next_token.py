"""Training that keeps, for causal language models: a student learns its teacher's next token, on texts without labels.

The loss is the divergence from the teacher at every token; no gold token is learned. One text in twenty, never learned,
says what it came to. The student may be rounded in every step, or learn through a few added weights alone (LoRA, where
`peft` is installed), which are merged before it is saved."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup, set_seed

from trusteq.compress.compress import check_empty
from trusteq.compress.extra_texts import extra_texts, texts_of
from trusteq.compress.options import HealOptions
from trusteq.compress.rounding import begin_rounding, end_rounding
from trusteq.compress.starting_model import SAFE, checkpoint, opening
from trusteq.models.checkpoints import with_weights, without_chatter
from trusteq.progress import command_progress

ASIDE, MOST_ASIDE = 20, 200  # one text in so many is not learned, but measured


@without_chatter()
def heal(options: HealOptions, command: str) -> dict[str, Any]:
    """Train as the options say, save, and return what `training.json` holds."""
    started = time.monotonic()
    check_empty(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    columns = options.text_only_columns
    judged = [text for source in options.text_only_without for text in texts_of(source, columns, "validation", False)]
    texts, counts = extra_texts(options.text_only, columns, options.text_only_split, False, [], judged)
    print(counts, file=sys.stderr)
    set_seed(options.seed)
    teacher, tokenizer = opened(options.teacher)
    student, own = opened(options.model)
    some = [str(text) for text in texts[:200]]
    if any(own(text)["input_ids"] != tokenizer(text)["input_ids"] for text in some):
        raise ValueError(f"{options.model} and {options.teacher} read other tokens: a student needs its teacher's")
    rows = [ids for text in texts if len(ids := own(str(text))["input_ids"][: options.max_length]) > 1]
    cut = sum(len(row) == options.max_length for row in rows)
    order = torch.randperm(len(rows)).tolist()
    size = min(MOST_ASIDE, max(1, len(rows) // ASIDE))
    if len(rows) <= size:
        raise ValueError("`text_only` needs at least two texts of two tokens: one to learn, one to measure")
    aside, learned = ([rows[i] for i in part] for part in (order[:size], order[size:]))
    if options.quantize:
        begin_rounding(student, options.quantize)
    if options.lora:
        student = with_lora(student, options.lora)
    before = divergence(student, teacher, aside, options.batch_size)
    learn(student, teacher, learned, options)
    after = divergence(student, teacher, aside, options.batch_size)
    if options.lora:
        student = student.merge_and_unload()
    if options.quantize:
        end_rounding(student, options.quantize)
    student.save_pretrained(options.out)
    own.save_pretrained(options.out)
    record = {
        "command": command,
        "seed": options.seed,
        "loss": "KL divergence from the teacher at every token, at temperature 1",
        "kl_before": before,
        "kl_after": after,
        "texts_measured": len(aside),
        "texts_learned": min(len(learned), options.steps * options.batch_size),
        "text_only": asdict(counts) | {"cut": cut},
        "steps": options.steps,
        "seconds": round(time.monotonic() - started),
    }
    (options.out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def opened(source: str) -> tuple[Any, Any]:
    """In float32, since training in half precision loses small steps."""
    source = checkpoint(source)
    with opening(source):
        model = with_weights(AutoModelForCausalLM, source, dtype=torch.float32, **SAFE)
        return model.eval(), AutoTokenizer.from_pretrained(source, **SAFE)


def with_lora(model: Any, rank: int) -> Any:
    try:
        peft = import_module("peft")
    except ImportError:
        raise ValueError("`lora` needs peft: pip install peft, or leave it out to train all weights") from None
    plan = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    return peft.get_peft_model(model, plan)


def learn(student: Any, teacher: Any, rows: list[list[int]], options: HealOptions) -> None:
    """Without dropout: the student is to say what the teacher says, not to hold out against noise."""
    weights = [one for one in student.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=options.learning_rate, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, options.steps // 20, options.steps)
    batches = in_turn(rows, options.batch_size)
    bar = command_progress("training", options.steps)
    for _ in range(options.steps):
        loss = apart(student, teacher, next(batches)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        bar.update(1)
    bar.close()


def in_turn(rows: list[list[int]], size: int) -> Iterator[list[list[int]]]:
    """Batches without end; a row comes again only when all others have come."""
    waiting: list[int] = []
    while True:
        while len(waiting) < size:
            waiting += torch.randperm(len(rows)).tolist()
        batch, waiting = waiting[:size], waiting[size:]
        yield [rows[i] for i in batch]


def apart(student: Any, teacher: Any, rows: list[list[int]]) -> torch.Tensor:
    """The divergence from the teacher at every token of these texts that follows another."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=student.device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=student.device)
    with torch.no_grad():
        told = teacher(input_ids=ids, attention_mask=mask).logits.float().log_softmax(dim=-1)
    said = student(input_ids=ids, attention_mask=mask).logits.float().log_softmax(dim=-1)
    each = F.kl_div(said, told, reduction="none", log_target=True).sum(dim=-1)
    return each[:, :-1][mask[:, 1:] == 1]


@torch.no_grad()
def divergence(student: Any, teacher: Any, rows: list[list[int]], size: int) -> float:
    """Its mean over the tokens of these texts."""
    each = [apart(student, teacher, rows[at : at + size]) for at in range(0, len(rows), size)]
    return float(torch.cat(each).mean())
