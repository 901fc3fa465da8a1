"""Does the compressed model come nearer while it is trained? The two ways into a `Trainer`."""

from collections.abc import Callable
from typing import Any

from trusteq.audit.asking import check_settings, work_once
from trusteq.audit.audit import audit_family
from trusteq.audit.family import Member
from trusteq.audit.grouped import grouped
from trusteq.audit.memo import Run
from trusteq.audit.options import list_of_texts
from trusteq.audit.processes import Processes
from trusteq.audit.store import Memory, Store
from trusteq.checks import check_integer
from trusteq.progress import progress_bar


def compute_metrics_for(
    compute: Callable[..., Any], large_predictions: Any, groups: Any, options: dict[str, Any]
) -> Callable[[Any], Any]:
    """For `Trainer(compute_metrics=...)`: the array dimensions of every evaluation."""

    def compute_metrics(evaluation: Any) -> Any:
        return compute(
            predictions=evaluation.predictions,
            references=evaluation.label_ids,
            large_predictions=large_predictions,
            groups=groups,
            **options,
        )

    return compute_metrics


def callback_for(large: Any, texts: Any, references: Any, ood_texts: Any, groups: Any, every: int, options: Any) -> Any:
    """For `Trainer(callbacks=[...])`: the dimensions that ask the model itself, on a sample, every so many steps.

    What the large model says is worked out once. The figures go into `state.log_history`; a callback that was told its
    trainer (`callback.trainer = trainer`) logs through it, so that every reporter gets them.
    """
    from transformers import TrainerCallback

    check_integer("every", every, at_least=1)
    texts = list_of_texts("texts", texts)
    ood_texts = None if ood_texts is None else list_of_texts("ood_texts", ood_texts)
    check_settings(options)
    together = grouped(texts, groups)

    def silent(what: str, count: int) -> Any:
        """No progress bar beside the Trainer's."""
        return progress_bar(count, what, quiet=True)

    class AuditCallback(TrainerCallback):
        trainer: Any = None

        def __init__(self) -> None:
            self.large = Member("large", "large", large, options.opening, options.labels, texts)
            self.kept: Memory | None = None  # what it said

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """What would stop the training at the first look stops it before it begins."""
            self.student(kwargs).predictor  # noqa: B018 (it is opened here, and its classes are put in order)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step % every == 0 and (figures := self.figures(self.student(kwargs))) is not None:
                if self.trainer is not None:
                    due = control.should_log  # to log is to have logged, also what the Trainer was about to
                    self.trainer.log(figures)
                    control.should_log = due
                else:
                    state.log_history.append({**figures, "epoch": state.epoch, "step": state.global_step})

        def student(self, given: dict[str, Any]) -> Member:
            """The model as it is now, beside the large one."""
            tokenizer = given.get("processing_class") or given.get("tokenizer")
            if tokenizer is None:
                raise ValueError("the callback needs the model's tokenizer: give Trainer(processing_class=tokenizer)")
            model = (getattr(given["model"], "module", given["model"]), tokenizer)
            return Member("model", "compressed", model, options.opening, options.labels, texts, large=self.large)

        def figures(self, compressed: Member) -> dict[str, float] | None:
            processes = Processes()
            if self.kept is None:
                self.kept = {}
                work_once(Run([self.large], texts, Store(self.kept), processes, silent), references, ood_texts, options)
            store = Store({context: dict(pieces) for context, pieces in self.kept.items()})
            run = Run([self.large, compressed], texts, store, processes, silent)
            audit = audit_family(run, references, ood_texts, options, together)
            return headlines(audit) if audit is not None else None

    return AuditCallback()


def headlines(audit: dict[str, Any]) -> dict[str, float]:
    """One figure per dimension, with its interval, under names that a logger groups."""
    found: dict[str, float] = {}
    for name, entry in audit["pairs"][0]["dimensions"].items():
        if entry["status"] == "done":
            key = f"{name}/{entry['headline']}"
            found |= {key: entry["value"], f"{key}_low": entry["low"], f"{key}_high": entry["high"]}
    return found
