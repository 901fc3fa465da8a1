"""Makes a smaller model from a trained one, in one of four ways, and measures what that saved.

    compress.py prune large --share 0.5 --out pruned            the smallest half of the encoder's weights become zero
    compress.py drop-layers large --keep 0 2 --out shallow      only these layers stay
    compress.py int8 large --out quantized                      linear weights in 8 bits, by torchao; embeddings stay
    compress.py distil large --layers 2 --width 128 --heads 2 --dataset glue/sst2 --text sentence --out distilled
                                                                a new, smaller model learns from it (finetune.py)

What is written loads like any checkpoint (that of int8 needs torchao where it is loaded), and is loaded again to see
that it says what was made. Size and speed are measured against the original: pruning alone makes a model neither
smaller on disk nor faster, since the zeros are stored and multiplied like other weights. Exit status 2, with one
sentence, if it cannot be done.
"""

import argparse
import copy
import sys
import time
from pathlib import Path
from typing import Any

import finetune
import torch
import transformers
from from_metrics import helper
from starting_model import SAFE, checkpoint, opening
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import cached_file

BATCH, LENGTH, ROUNDS = 16, 32, 15


def main(argv: list[str] | None = None) -> int:
    options, rest = read_options(sys.argv[1:] if argv is None else argv)
    try:
        if options.method == "distil":
            source = checkpoint(options.model)
            size = ["--from-scratch", "--model", source, "--teacher", source, "--out", str(options.out)]
            if status := finetune.main([*size, *rest]):
                return status
        else:
            compress(options)
        print(report(options.model, options.out))
    except (ValueError, OSError) as error:
        print(f"compress.py: {error}", file=sys.stderr)
        return 2
    return 0


def read_options(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    methods = parser.add_subparsers(dest="method", required=True)
    added = {name: methods.add_parser(name) for name in ("prune", "drop-layers", "int8", "distil")}
    for method in added.values():
        method.add_argument("model", help="trained checkpoint: a folder or a Hub id")
        method.add_argument("--out", required=True, type=Path, help="folder for the compressed model")
    added["prune"].add_argument("--share", type=float, default=0.5, help="of the encoder's linear weights (0.5)")
    added["drop-layers"].add_argument("--keep", type=int, nargs="+", required=True, help="layers that stay, from 0")
    added["distil"].epilog = "Every other option is one of finetune.py's."
    options, rest = parser.parse_known_args(argv)
    if rest and options.method != "distil":
        parser.error(f"unknown: {' '.join(rest)}")
    return options, rest


def compress(options: argparse.Namespace) -> None:
    """Write the compressed model, and make sure that what lies on disk is what was made."""
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise ValueError(f"{options.out} is there already: give another --out, or remove it")
    source = checkpoint(options.model)
    if options.method == "int8":
        made = int8(source)
    else:
        model = load(source)
        if options.method == "prune":
            made = helper("trust_equivalence", "derive").pruned(model, options.share)
        else:
            made = without_layers(model, options.keep)
    made.save_pretrained(options.out)
    AutoTokenizer.from_pretrained(source, **SAFE).save_pretrained(options.out)
    batch = some_tokens(made.config.vocab_size)
    with torch.inference_mode():
        difference = (made(**batch).logits - load(options.out)(**batch).logits).abs().max().item()
    if not difference < 1e-3:  # rounding, of half-precision models above all
        raise ValueError(f"{options.out} differs from the model that was made by {difference:.3g}: do not use it")


def load(path: str | Path) -> Any:
    """A trained classifier in evaluation, in the precision that it was saved in."""
    with opening(str(path)):
        model, told = AutoModelForSequenceClassification.from_pretrained(
            path, use_safetensors=True, dtype="auto", output_loading_info=True, **SAFE
        )
    if told["missing_keys"]:
        raise ValueError(f"{path} has no trained classification head: {sorted(told['missing_keys'])[0]} is missing")
    return model.eval()


def without_layers(model: Any, keep: list[int]) -> Any:
    """A copy with only these of its layers, in their order."""
    count = model.config.num_hidden_layers
    if sorted(set(keep)) != keep or not all(0 <= layer < count for layer in keep):
        raise ValueError(f"--keep must name layers 0 to {count - 1} once each, in order; got {keep}")
    made = copy.deepcopy(model)
    stacks = [
        (parent, name)
        for parent in made.base_model.modules()
        for name, child in parent.named_children()
        if isinstance(child, torch.nn.ModuleList) and len(child) == count
    ]
    if len(stacks) != 1:
        raise ValueError(f"{type(model).__name__} has {len(stacks)} stacks of {count} layers; expected one")
    parent, name = stacks[0]
    setattr(parent, name, torch.nn.ModuleList(getattr(parent, name)[layer] for layer in keep))
    made.config.num_hidden_layers = len(keep)
    return made


def int8(source: str) -> Any:
    if int(transformers.__version__.split(".")[0]) < 5:
        raise ValueError(f"int8 needs transformers 5, which can save it as safetensors; got {transformers.__version__}")
    try:
        from torchao.quantization import Int8WeightOnlyConfig
    except ImportError:
        raise ValueError("int8 needs torchao: pip install torchao") from None
    load(source)  # says what is wrong with it
    plan = transformers.TorchAoConfig(Int8WeightOnlyConfig(version=2))
    made = AutoModelForSequenceClassification.from_pretrained(
        source, use_safetensors=True, dtype="auto", quantization_config=plan, **SAFE
    )
    return made.eval()


# What it saved, measured.


def report(original: str, compressed: Path) -> str:
    """Size and speed of both, as one table, in the precision in which the metrics ask them.

    The time is the least of several rounds in which they take turns.
    """
    opened = {"original": checkpoint(original), "compressed": str(compressed)}
    as_predictor = helper("attribution_alignment", "predictor").as_predictor
    models = {name: as_predictor(source, name).model.eval() for name, source in opened.items()}
    known = min(model.config.vocab_size for model in models.values())  # tokens that both have
    batch = {name: value.to(models["original"].device) for name, value in some_tokens(known).items()}
    seconds = {name: float("inf") for name in models}
    with torch.inference_mode():
        for _ in range(ROUNDS):
            for name, model in models.items():
                start = time.perf_counter()
                model(**batch)
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    counts = [parameters(model) for model in models.values()]
    rows = {
        "megabytes on disk": [megabytes(source) for source in opened.values()],
        "million parameters": [total / 1e6 for total, _ in counts],
        "of them not zero": [nonzero / 1e6 for _, nonzero in counts],
        f"milliseconds for {BATCH} x {LENGTH} tokens": [1000 * value for value in seconds.values()],
    }
    lines = [f"{'':34}{'original':>12}{'compressed':>12}{'ratio':>8}"]
    lines += [f"{name:34}{a:12.3f}{b:12.3f}{b / a:8.2f}" for name, (a, b) in rows.items()]
    return "\n".join(lines)


def some_tokens(known: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(known, (BATCH, LENGTH), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def megabytes(source: str) -> float:
    """Of the weights as they lie on disk."""
    folder = Path(str(cached_file(source, "config.json"))).parent
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6


def parameters(model: Any) -> tuple[int, int]:
    """How many there are, and how many of them are not zero."""
    values = [value.dequantize() if hasattr(value, "qdata") else value for value in model.parameters()]
    return sum(value.numel() for value in values), sum(int(value.count_nonzero().item()) for value in values)


if __name__ == "__main__":
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    sys.exit(main())
