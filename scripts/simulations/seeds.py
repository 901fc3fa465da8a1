"""Many small models of real text, seeds of one recipe and recipes that truly differ: what they say of other phrases.

A network over bags of words (32 numbers a word, one hidden layer of 32) learns the sentiment of phrases from SST-2. Two
thirds of the phrases are for training; the rest, and news of AG News as out-of-distribution texts, are asked of all."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trusteq.dimensions.work import Work

WIDTH, EPOCHS, BATCH, RATE = 32, 4, 256, 3e-3
TOP = 20  # words of an explanation that are kept


@dataclass
class Data:
    train: list[list[int]]
    train_gold: np.ndarray
    test: list[list[int]]
    test_gold: np.ndarray
    ood: list[list[int]]
    words: list[str]


def read(folder: Path, pool: int) -> Data:
    rows = [line.rsplit("\t", 1) for line in (folder / "sst2" / "train.tsv").read_text("utf-8").splitlines()[1:]]
    with (folder / "agnews" / "test.tsv").open(encoding="utf-8", newline="") as file:
        news = [row[0] for row in csv.reader(file, delimiter="\t")]
    order = np.random.default_rng(0).permutation(len(rows))
    texts, gold = [rows[i][0].lower().split() for i in order], np.array([int(rows[i][1]) for i in order])
    counts = Counter(word for text in texts[pool:] for word in text)
    words = ["", *(word for word, count in counts.most_common() if count > 1)]
    index = {word: i for i, word in enumerate(words)}

    def ids(text: list[str]) -> list[int]:
        return [index[word] for word in text if word in index] or [0]

    train, test = [ids(text) for text in texts[pool:]], [ids(text) for text in texts[:pool]]
    return Data(train, gold[pool:], test, gold[:pool], [ids(text.lower().split()) for text in news], words)


class Network(nn.Module):
    def __init__(self, words: int, hidden: int):
        super().__init__()
        self.bag = nn.EmbeddingBag(words, WIDTH, mode="mean")
        self.hidden, self.out = nn.Linear(WIDTH, hidden), nn.Linear(hidden, 2)

    def inner(self, pooled: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.hidden(pooled))

    def forward(self, texts: list[list[int]]) -> torch.Tensor:
        return self.out(self.inner(pool(self.bag, texts)))


def pool(bag: nn.EmbeddingBag, texts: list[list[int]]) -> torch.Tensor:
    flat = torch.tensor([word for text in texts for word in text])
    ends = np.cumsum([0, *(len(text) for text in texts)])[:-1]
    return bag(flat, torch.tensor(ends))


@dataclass(frozen=True)
class Recipe:
    """How a model differs from the large one, if it does."""

    share: float = 1.0  # of the training phrases
    hidden: int = 32
    smoothing: float = 0.0
    pruned: float = 0.0  # of the weights, the smallest, after training
    sharper: float = 1.0  # its logits, multiplied


RECIPES = {
    "another seed": Recipe(),
    "half of the data": Recipe(share=0.5),
    "half pruned": Recipe(pruned=0.5),
    "four hidden units": Recipe(hidden=4),
    "smoothed labels": Recipe(smoothing=0.2),
    "three times as sure": Recipe(sharper=3.0),
    "ten times as sure": Recipe(sharper=10.0),
    "ten points less right": Recipe(share=0.25),
}


def trained(recipe: Recipe, seed: int, data: Data) -> Network:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network(len(data.words), recipe.hidden)
    steps = torch.optim.Adam(network.parameters(), lr=RATE)
    loss = nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
    some = rng.permutation(len(data.train))[: int(recipe.share * len(data.train))]
    for _ in range(EPOCHS):
        for at in np.split(rng.permutation(some), range(BATCH, len(some), BATCH)):
            steps.zero_grad()
            loss(network([data.train[i] for i in at]), torch.tensor(data.train_gold[at])).backward()
            steps.step()
    with torch.no_grad():
        for weight in network.parameters() if recipe.pruned else ():
            if weight.ndim == 2:
                weight[weight.abs() < weight.abs().flatten().float().quantile(recipe.pruned)] = 0
        for logits in (network.out.weight, network.out.bias):
            logits.mul_(recipe.sharper)
    return network


@torch.no_grad()
def said(network: Network, data: Data, probed: int) -> dict[str, Any]:
    """Probabilities, embeddings, out-of-distribution probabilities, and of the first phrases the words that matter (by
    leaving each out) and whether they break (the two words that matter most left out)."""
    inner = network.inner(pool(network.bag, data.test))
    rows = network.out(inner).softmax(1).numpy()
    reasons, broken = [], np.zeros(probed, bool)
    for i in range(probed):
        text, gold = data.test[i], int(data.test_gold[i])
        vectors = network.bag.weight[torch.tensor(text)]
        without = (vectors.sum(0) - vectors) / max(1, len(text) - 1)
        left = network.out(network.inner(without)).softmax(1).numpy()[:, gold]
        matter = rows[i, gold] - left
        weights: dict[int, float] = {}
        for word, weight in zip(text, matter.tolist(), strict=True):
            weights[word] = max(weight, weights.get(word, -1.0))
        ranked = sorted(weights.items(), key=lambda one: -abs(one[1]))[:TOP]
        reasons.append([(data.words[word] or "?", weight) for word, weight in ranked])
        worst = np.argsort(-matter)[:2]
        kept = vectors[[j for j in range(len(text)) if j not in worst]]
        pooled = kept.mean(0, keepdim=True) if len(kept) else torch.zeros(1, WIDTH)
        after = network.out(network.inner(pooled)).softmax(1)[0, gold]
        broken[i] = min(float(after), float(left.min())) < 0.5
    ood = network(data.ood).softmax(1).numpy()
    return {"rows": rows, "inner": inner.numpy(), "ood": ood, "reasons": reasons, "broken": broken}


def work_of(models: dict[str, dict[str, Any]], data: Data, which: np.ndarray, ood: np.ndarray, probed: int) -> Work:
    """What an audit of these phrases would have. The first `probed` of them are explained and attacked."""
    work = Work(gold=data.test_gold[which], texts=[" ".join(data.words[w] or "?" for w in data.test[i]) for i in which])
    work.explained = work.attacked = list(range(probed))
    for name, one in models.items():
        work.probabilities[name], work.embeddings[name] = one["rows"][which].astype(float), one["inner"][which]
        work.ood[name] = one["ood"][ood].astype(float)
        right = one["rows"][which[:probed]].argmax(1) == work.gold[:probed]
        work.explanations[name] = {i: [one["reasons"][which[i]]] for i in range(probed)}
        statuses = np.where(~right, "skipped", np.where(one["broken"][which[:probed]], "broken", "withstood"))
        work.outcomes[name] = {i: outcome(status) for i, status in enumerate(statuses.tolist())}
    work.transfers |= {(one, other): {} for one in models for other in models}
    return work


def outcome(status: str) -> dict[str, Any]:
    found = {"label": None, "text": None, "adversarial": None, "scores": None, "adversarial_scores": None}
    return found | {"status": status, "queries": 1, "changed_words": int(status == "broken"), "changeable": True}
