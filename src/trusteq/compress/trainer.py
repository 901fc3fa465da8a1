"""One step of training: which rows make a batch, and what loss they give."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import Trainer
from transformers.trainer_pt_utils import LengthGroupedSampler

from trusteq.compress.keeping import DIRECTIONS, LOSSES, Seen
from trusteq.compress.lessons import Lessons
from trusteq.models.classifiers import in_evaluation

NONE = -100  # the label of a row without one, as PyTorch's cross-entropy has it
TOGETHER = 50  # batches whose rows are drawn together, and then sorted by length


class ByLength(Trainer):
    """A Trainer whose batches hold rows of like length."""

    def __init__(self, *, lengths: list[int], **settings: Any):
        super().__init__(**settings)
        self.lengths = lengths

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        # The Trainer's own grouping by length also shuffles the evaluation set (transformers 5), and then its rows
        # no longer stand beside the large model's.
        return LengthGroupedSampler(self.args.train_batch_size, lengths=self.lengths)


class Halves(torch.utils.data.Sampler[int]):
    """Batches of which half are labelled rows, each once, and half are of the rows behind them, in turn."""

    def __init__(self, lengths: list[int], labelled: int, batch: int):
        self.lengths, self.labelled, self.half = torch.tensor(lengths), labelled, batch // 2
        self.waiting = torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        return 2 * (self.labelled // self.half or 1) * self.half

    def __iter__(self) -> Iterator[int]:
        gold = torch.randperm(self.labelled)
        if self.labelled < self.half:
            gold = gold.repeat(-(-self.half // self.labelled))
        batches = len(self) // (2 * self.half)
        for start in range(0, batches, TOGETHER):
            count = min(TOGETHER, batches - start)
            own = self.in_order(gold[start * self.half : (start + count) * self.half])
            other = self.in_order(self.next(count * self.half))
            pairs = torch.stack([own.view(count, -1), other.view(count, -1)], dim=1)
            yield from pairs[torch.randperm(count)].flatten().tolist()

    def in_order(self, rows: torch.Tensor) -> torch.Tensor:
        return rows[self.lengths[rows].argsort()]

    def next(self, count: int) -> torch.Tensor:
        """Rows without labels; each comes again only when all others have come."""
        while len(self.waiting) < count:
            more = torch.randperm(len(self.lengths) - self.labelled) + self.labelled
            self.waiting = torch.cat([self.waiting, more])
        found, self.waiting = self.waiting[:count], self.waiting[count:]
        return found


class Distiller(ByLength):
    """One that also learns what a teacher said of each row, and by further losses what else is to be kept of it.

    `losses`: the weight of each, by name. `keeping`: half of each batch has no label, and nothing is dropped out.
    `labelled`: rows of the training data that have one. `model_of_teacher`: where its gradients are needed.
    """

    def __init__(
        self,
        *,
        lessons: Lessons | None,
        temperature: float,
        mix: float,
        losses: Mapping[str, float],
        keeping: bool,
        labelled: int,
        model_of_teacher: Any = None,
        **settings: Any,
    ):
        super().__init__(**settings)
        self.temperature, self.mix, self.keeping, self.labelled = temperature, mix, keeping, labelled
        self.terms = {name: weight for name, weight in losses.items() if LOSSES[name].of is not None}
        self.told = None if lessons is None else torch.from_numpy(lessons.logits)
        self.pooled = None if lessons is None or lessons.pooled is None else torch.from_numpy(lessons.pooled)
        self.gradients = any(LOSSES[name].needs == "gradients" for name in self.terms)
        self.model_of_teacher = model_of_teacher

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if self.labelled < len(self.lengths):
            return Halves(self.lengths, self.labelled, self.args.train_batch_size)
        return super()._get_train_sampler(train_dataset)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        row = inputs.pop("row", None)
        if row is None or self.told is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels, row = inputs.pop("labels"), row.cpu()
        with in_evaluation(model) if self.keeping else nullcontext():
            outputs, seen = self.see(model, inputs, row)
        loss = distillation_loss(seen.logits, seen.teacher_logits, labels, self.temperature, self.mix)
        for name, weight in self.terms.items():
            loss = loss + weight * LOSSES[name].of(seen)  # type: ignore[misc]
        return (loss, outputs) if return_outputs else loss

    def see(self, model: Any, inputs: dict[str, Any], row: torch.Tensor) -> tuple[Any, Seen]:
        """The batch, as both models see it."""
        how = {"output_hidden_states": True} if self.pooled is not None else {}
        told = self.told[row].to(inputs["input_ids"].device)  # type: ignore[index]
        scores = teacher_scores = None
        if self.gradients:
            outputs, scores = gradient_times_input(model, inputs, told, True, how)
            _, teacher_scores = gradient_times_input(self.model_of_teacher, inputs, told, False, {})
        else:
            outputs = model(**inputs, **how)
        seen = Seen(outputs.logits.float(), told, scores=scores, teacher_scores=teacher_scores)
        if self.pooled is not None:
            mask = inputs["attention_mask"][..., None].float()
            seen.pooled = (outputs.hidden_states[-1].float() * mask).sum(dim=1) / mask.sum(dim=1)
            seen.projected = self.accelerator.unwrap_model(model).to_teacher(seen.pooled)
            seen.teacher_pooled = self.pooled[row].to(told.device)
        return outputs, seen


def distillation_loss(
    logits: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, temperature: float, mix: float
) -> torch.Tensor:
    """Hinton et al. 2015: soft targets at a temperature (scaled back by its square), mixed with the gold labels.

    Of a row without a label (-100) the soft targets alone count.
    """
    soft = F.softmax(teacher / temperature, dim=-1)
    learned = F.log_softmax(logits / temperature, dim=-1)
    divergence = F.kl_div(learned, soft, reduction="none").sum(dim=-1) * temperature**2
    gold = F.cross_entropy(logits, labels, reduction="none", ignore_index=NONE)
    share = torch.where(labels == NONE, 1.0, mix)
    return (share * divergence + (1 - share) * gold).mean()


def gradient_times_input(
    model: Any, inputs: dict[str, torch.Tensor], told: torch.Tensor, learning: bool, how: dict[str, Any]
) -> tuple[Any, torch.Tensor]:
    """Of the class that the teacher finds likeliest, its logit less the mean of all: a score for each token."""
    body = getattr(model, "module", model)
    given = {name: value for name, value in inputs.items() if name != "input_ids"}
    words = body.get_input_embeddings()(inputs["input_ids"])
    words = words if learning else words.detach().requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):  # the faster ones have no second derivative
        outputs = model(inputs_embeds=words, **given, **how)
        logits = outputs.logits.float()
        best = (logits - logits.mean(dim=-1, keepdim=True)).gather(-1, told.argmax(dim=-1, keepdim=True))
        (slope,) = torch.autograd.grad(best.sum(), words, create_graph=learning)
    return outputs, (slope * words).sum(dim=-1) * inputs["attention_mask"]


def add_projection(model: Any, wide: int) -> None:
    """The map from the student's embeddings to the teacher's directions; it is learned, and not saved."""
    model.to_teacher = torch.nn.Linear(model.config.hidden_size, min(DIRECTIONS, wide), bias=False)
