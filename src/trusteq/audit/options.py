"""What can an audit be asked? Its options, checked once."""

import dataclasses
import os
from typing import Any

from trusteq.audit.floors import STAND_INS
from trusteq.checks import brief, check_choice, check_integer, check_number, check_sizes
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.explain.units import UNITS, USUAL_K
from trusteq.kinds.text import as_texts, check_texts
from trusteq.models.engines import ENGINES
from trusteq.models.labels import check_class_numbers
from trusteq.options import Options
from trusteq.strangeness import OF_TEXTS
from trusteq.wording import place_name

LEAST = 128  # examples at the first look of an audit that stops when sure: what is kept together (audit/work.py)
SAMPLED = ("lime", "lime_package", "shap", "shap_permutation")
DEFAULT_SAMPLES = dict.fromkeys(SAMPLED, 100)  # an audit's, which explains many texts; a metric's: explain/methods.py


@dataclasses.dataclass(frozen=True)
class AuditOptions(Options):
    """What an audit can be asked. (What stands in brackets after "in code" a command leaves out.)

    Args:
        dimensions: which of the six, by name (default: all that the inputs allow).
        pairs: "large", every other model with the large one, or "all".
        margins: for a dimension, how much further from the large model than the twin a compressed one may be (without
            a twin: how far), such as 0.05 (in code: a dict).
        until_settled: stop when sure: take examples in random order, at most so many (without a number: all there are),
            and ask no more about a dimension once it is settled for every compressed model (in code: a number, or
            True).
        floor: what stands in for another seed: "rounding", the large model itself in bfloat16; "batch", itself asked
            once more, one question at a time, which works with servers; "kernels", of a GGUF file, itself by
            llama.cpp's kernels, or if it is run by these, by those of transformers; "calibration", where each twin is
            the compressed model made again with other calibration data; or "wording", of language models, where each
            twin is the large model with its prompt said otherwise (a command makes them of --wording).
        confidence_level: the level of the intervals, between 0 and 1.
        seed: decides which examples are chosen, and everything random in the dimensions.
        details: add the key `details`: the whole audit, as `report` and `plot` take it.
        from_logits: predictions and large_predictions are logits.
    Explanations:
        method: "lime", "lime_package", "shap", "shap_permutation", "occlusion", "integrated_gradients" or
            "gradient_x_input".
        units: what a reason is: "words" of the text, its "sentences", or, of language models, the "shots", solved
            examples before each question.
        samples: perturbed texts per explanation (default: 100 for lime and shap; the others take none).
        runs: explanations per text, each with a seed of its own.
        explain: the class that is explained: "gold", "large" (what the large model says) or "own" (what each says).
        explains: of language models, what is explained: "answer", the label's probability among all labels, or
            "next_token", that of its first token among all that could come next.
        explained: how many examples are explained.
        rank: "absolute", all words count by the size of their weight; "support", only those that speak for the class.
        k: how many of the most important words are compared, one number or several (default: 5 and 10, of sentences
            and shots 1 and 3).
    Attacks:
        attack: "textbugger", "deepwordbug", "bert_attack", "typos", "distraction" (a sentence beside the text),
            "options" (a question's wrong options in another order), "reordered" (all its options in another order),
            "wording" (a language model's prompt said otherwise) or TextAttack's "textattack:NAME" (in code: or an
            attack composed of parts).
        attacked: how many examples are attacked.
        max_queries: how many questions an attack may ask about one example (default: as many as it likes).
        attack_options: a dict of what else attack_divergence can be asked: attack_field, word_vectors, similarity,
            masked_model, rate, sentences, wordings.
    Neighbours:
        neighbors: how many nearest neighbours are compared, one number or several.
        among: how many other examples, drawn at random, each chooses its neighbours from, so that the overlap means the
            same however many examples there are.
        queries: how many examples are asked for their neighbours, at most.
    Calibration:
        n_bins: bins of the calibration errors.
        binning: "quantile" (bins of equally many examples) or "uniform" (of equal width).
        convention: "usual" or "paper-b", where there is more than one way: see calibration_gap.
    Out of distribution:
        score: how far out of distribution a text is for a model: "msp" (1 - its highest probability), "entropy" (of its
            probabilities), "hidden" (how far its embedding is from those of ordinary texts), or what a language model
            makes of the text itself, "perplexity" or "vocabulary" (the entropy of the next token), each a mean over
            tokens (default: perplexity of language models, or else msp).
        keep: the share of ordinary texts that each model's threshold lets pass.
    Models:
        labels: class numbers by class name, where the models name their classes differently (in code: a dict).
        device: "cpu", "cuda", "cuda:1", ... (default: cuda where there is one).
        dtype: "float32", "float16" or "bfloat16" (default: as each model was saved).
        tokens: how many tokens a batch holds (default: what suits the device).
        at_once: how many questions a server is asked at the same time (default: 8).
        timeout: how many seconds a server may take to answer (default: 120).
        engine: what answers for classifiers of texts: "torch", "openvino", "onnxruntime", or "auto": OpenVINO on a
            processor, where it is installed and there are questions enough; the figures are the same.
        trust_remote_code: let a checkpoint run code of its own.
    """

    dimensions: Any = None
    pairs: str = "large"
    margins: Any = None
    until_settled: int | None = None
    floor: str | None = None
    k: Any = None
    method: str = "lime"
    units: str = "words"
    samples: int | None = None
    runs: int = 1
    explain: str = "gold"
    explains: str = "answer"
    explained: int = 100
    rank: str = "absolute"
    attack: Any = "textbugger"
    max_queries: int | None = None
    attack_options: Any = None
    attacked: int = 100
    neighbors: Any = (10,)
    among: int = 200
    queries: int = 10_000
    n_bins: int = 10
    binning: str = "quantile"
    convention: str = "usual"
    score: str | None = None
    keep: float = 0.95
    from_logits: bool = False
    labels: dict[str, int] | None = None
    device: Any = None
    dtype: Any = None
    tokens: int | None = None
    at_once: int | None = None
    timeout: float | None = None
    engine: str = "auto"
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pairs", self.pairs, ("large", "all"))
        if self.floor is not None:
            check_choice("floor", self.floor, tuple(STAND_INS))
        check_choice("units", self.units, UNITS)
        object.__setattr__(self, "k", check_sizes("k", USUAL_K[self.units] if self.k is None else self.k))
        object.__setattr__(self, "neighbors", check_sizes("neighbors", self.neighbors))
        for name in ("runs", "explained", "attacked", "queries", "n_bins"):
            check_integer(name, getattr(self, name), at_least=1)
        if self.until_settled is not None and self.until_settled is not True:
            check_integer("until_settled", self.until_settled, at_least=LEAST)
        check_integer("among", self.among, at_least=max(self.neighbors))
        for name in ("tokens", "at_once"):
            if (count := getattr(self, name)) is not None:
                check_integer(name, count, at_least=1)
        if self.timeout is not None:
            check_number("timeout", self.timeout, above=0, below=86_400)
        if self.score is not None:
            check_choice("score", self.score, ("msp", "entropy", *OF_TEXTS))  # the others are of logits, or given
        check_choice("engine", self.engine, ENGINES)
        if self.labels is not None:
            check_class_numbers(self.labels)
        if not isinstance(self.method, str):
            raise ValueError(f"method must be the name of a way to explain, got {brief(self.method)}")
        if self.samples is None:
            object.__setattr__(self, "samples", DEFAULT_SAMPLES.get(self.method))
        if self.attack_options is not None and not isinstance(self.attack_options, dict):
            raise ValueError(
                f"attack_options must be a dict of attack_divergence's options, got {brief(self.attack_options)}"
            )
        for name in self.asked:
            check_choice("dimensions", name, tuple(DIMENSIONS))
        if not isinstance(self.margins, dict | None):
            raise ValueError(f"margins must be a dict from dimension to number, got {brief(self.margins)}")
        for name, margin in (self.margins or {}).items():
            check_choice("margins", name, tuple(DIMENSIONS))
            check_number(f"margins[{brief(name)}]", margin, above=0, below=2)

    @property
    def asked(self) -> list[str]:
        given = list(DIMENSIONS) if self.dimensions is None else self.dimensions
        return list(given) if isinstance(given, list | tuple) else [given]

    @property
    def opening(self) -> dict[str, Any]:
        """How transformers models are opened."""
        names = ("device", "dtype", "tokens", "at_once", "timeout", "engine", "trust_remote_code")
        return {name: value for name in names if (value := getattr(self, name)) not in (None, False, "auto")}

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the figures, as plain data."""
        without = ("details", "device", "tokens", "at_once", "timeout", "engine", "trust_remote_code", "from_logits")
        found = {name: value for name, value in vars(self).items() if name not in without}
        found |= {"dimensions": self.asked, "score": self.score or "msp"}
        found["margins"] = {name: self.margins[name] for name in sorted(self.margins)} if self.margins else None
        return {name: as_plain(value) for name, value in found.items()}

    def margin_of(self, name: str, default: float) -> float:
        return float((self.margins or {}).get(name, default))


def list_of_texts(name: str, values: Any) -> list[Any]:
    found = as_texts(name, values)
    if not found:
        raise ValueError(f"{name} is empty: give at least one text")
    check_texts(name, found)
    return found


def as_plain(value: Any) -> Any:
    """A setting as the signature and the report show it: a path without its folder, an object by its type."""
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, str | os.PathLike):
        return place_name(os.fspath(value))
    if isinstance(value, int | float | bool) or value is None:
        return value
    return getattr(value, "__name__", None) or (type(value).__name__ if " at 0x" in repr(value) else str(value))
