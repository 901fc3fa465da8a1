"""What would a run at full scale fetch, and about how long would it take on this device?

A pass costs two operations for each weight of the layers and each token, a training step six. How many the device does
in a second is measured when the question is asked; a network reaches about half of what a plain product of matrices
does."""

import time
from typing import Any

from trusteq.reproduce.protocols import Member, Protocol, Task

LAYERS = {  # and their width
    "BERT-large": (24, 1024), "BERT-base": (12, 768), "DistilBERT": (6, 768), "BERT-medium": (8, 512),
    "BERT-mini": (4, 256), "Tiny-BERT": (2, 128),
}  # fmt: skip
MEGABYTES = {
    "BERT-large": 1340, "BERT-base": 440, "DistilBERT": 268, "BERT-medium": 167, "BERT-mini": 45, "Tiny-BERT": 18,
}  # fmt: skip
IN_B = {"BERT-Medium": "BERT-medium", "BERT-Mini": "BERT-mini", "BERT-Tiny": "Tiny-BERT"}
DATA: dict[str, dict[str, Any]] = {  # rows of each split, tokens of a text, and megabytes, all of them about
    "SNLI": {"train": 549_000, "dev": 9_800, "test": 9_800, "tokens": 27, "megabytes": 95},
    "QQP": {"train": 364_000, "dev": 25_000, "test": 15_000, "tokens": 31, "megabytes": 42},
    "IMDB": {"train": 22_500, "dev": 2_500, "test": 25_000, "tokens": 290, "megabytes": 84},
    "SQuAD 2.0; out-of-distribution: NewsQA": {
        "train": 131_000, "test": 12_000, "ood": 4_200, "tokens": 250, "megabytes": 150,
    },
}  # fmt: skip
PRESET_EPOCHS = {"paper-b-nli": 5, "paper-b-pi": 10}
ATTACK_QUESTIONS = 500  # about one example, a guess
REACHED = 0.5  # of what a product of matrices does


def forecast(protocol: Protocol, rate: float, device: str) -> str:
    """In words; `rate` is what the device does in a second.

    >>> from trusteq.reproduce.protocols import protocol
    >>> print(forecast(protocol("trust", "full"), rate=1e14, device="a fast device").splitlines()[1])
    about 2.7 hours on a fast device: training 45 minutes, questions 118 minutes
    """
    names = [IN_B.get(member.stands_for, member.stands_for) for member in protocol.members]
    sizes = sum(MEGABYTES[name] for name in names) + sum(DATA[task.data]["megabytes"] for task in protocol.tasks)
    sources = ", ".join([*(member.source for member in protocol.members), *(task.data for task in protocol.tasks)])
    models = [*protocol.members, protocol.members[0]]  # the twin is another large one
    training, questions = (
        sum(2 * weights(member) * tokens(task) for task in protocol.tasks for member in models) / rate
        for tokens in (trained, asked)
    )
    took = f"training {duration(training)}, questions {duration(questions)}"
    return f"will fetch about {sizes:,} MB: {sources}\nabout {duration(training + questions)} on {device}: {took}"


def weights(member: Member) -> int:
    """Of the layers, which is where the work is."""
    layers, width = LAYERS[IN_B.get(member.stands_for, member.stands_for)]
    return 12 * layers * width**2


def rows(task: Task, split: str) -> int:
    there = int(DATA[task.data][split])
    most = task.rows[split]
    return there if most is None else min(there, most)


def trained(task: Task) -> int:
    """Tokens of training, where one is as much work as three of a pass."""
    epochs = task.train.get("epochs") or PRESET_EPOCHS[task.train["preset"]]
    return 3 * epochs * rows(task, "train") * int(DATA[task.data]["tokens"])


def asked(task: Task) -> int:
    """Tokens of questions, those of explanations and attacks included."""
    count = sum(rows(task, split) for split in task.rows if split != "train")
    for audit in task.audits.values():
        if "samples" in audit:
            count += (audit["explained"] or rows(task, "test")) * audit["runs"] * audit["samples"]
        if "attacked" in audit:
            count += audit["attacked"] * ATTACK_QUESTIONS
    return count * int(DATA[task.data]["tokens"])


def duration(seconds: float) -> str:
    """
    >>> duration(40), duration(5_000), duration(1e6), duration(1e9)
    ('1 minute', '83 minutes', '12 days', '32 years')
    """
    for unit, size in (("year", 365 * 86_400), ("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size or unit == "minute":
            count = max(1.0, seconds / size)
            many = f"{count:.2g}" if count < 10 else f"{count:.0f}"
            return f"{many} {unit}{'' if many == '1' else 's'}"
    raise AssertionError


def rate_here() -> tuple[float, str]:
    """Operations a second of a network on this machine's device, measured in a second, and the device's name."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = 4096 if device == "cuda" else 1024
    one = torch.rand(size, size, device=device)
    done, started = 0, 0.0
    for i in range(1000):
        if i == 3:  # warm
            started = time.perf_counter()
        float((one @ one)[0, 0])  # waits for the device
        done = i - 2
        if started and time.perf_counter() - started > 1:
            break
    rate = REACHED * done * 2 * size**3 / (time.perf_counter() - started)
    name = torch.cuda.get_device_name() if device == "cuda" else f"this processor ({torch.get_num_threads()} threads)"
    return rate, name
