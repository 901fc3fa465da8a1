"""The parts that attacks are composed of: words, edits, constraints, word vectors, masked words, goals and search."""

import random
import re
import zlib
from pathlib import Path

import evaluate
import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from trusteq.attack.constraints import EditDistance, NoStopWord, NoWordTwice, edit_distance
from trusteq.attack.masked_words import Substitutes
from trusteq.attack.moves import (
    DeleteLetter,
    InsertLetter,
    KeyboardLetter,
    SimilarLetter,
    SubstituteLetter,
    SwapNeighbours,
    Typos,
)
from trusteq.attack.recipes import Attack
from trusteq.attack.search import NoSearch
from trusteq.attack.stop_words import STOP_WORDS
from trusteq.attack.word_vectors import WordVectors, open_vectors
from trusteq.kinds.text import Draft, letters
from trusteq.models.open import as_predictor

metric = evaluate.load(str(Path(__file__).resolve().parents[2] / "metrics" / "attack_divergence"))

words = st.text("abcdefghijklmnopqrstuvwxyzABCÄéжш中", min_size=1, max_size=12)
seeds = st.integers(0, 2**32 - 1)


# Words.


@given(st.text(max_size=60))
def test_words_and_what_stands_between_them_are_the_text(text):
    draft = Draft(text)
    assert "".join(draft.pieces) == text
    assert tuple(draft.pieces[1::2]) == draft.original_words
    assert not any(character.isspace() for word in draft.original_words for character in word)
    for index, word in enumerate(draft.original_words):
        assert draft.with_word(index, [word]) == [text]


@given(st.tuples(st.text(max_size=30), st.text(max_size=30)), st.integers(0, 1))
def test_of_a_pair_one_text_changes(pair, field):
    draft = Draft(pair, field)
    for index in range(len(draft.words)):
        for text in (*draft.with_word(index, ["x"]), *draft.without([index])):
            assert text[1 - field] == pair[1 - field]
    if draft.words:
        draft.replace(0, "x")
        assert draft.text[1 - field] == pair[1 - field]
        assert draft.part(draft.original) == pair[field]


def test_emoji_are_no_words():
    heart, keycap, family = "\u2764\ufe0f", "1\ufe0f\u20e3", "👩\u200d👩\u200d👧"
    assert Draft(f"I {heart} it").words == ["I", "it"]
    assert Draft(f"really{heart}good{family} number {keycap}, 2nd").words == ["really", "good", "number", "2nd"]
    for emoji in (heart, keycap, family, "1\u20e3", "\u2139\ufe0f", "👍🏽", "🇫🇷", "\u0308\u200d"):
        assert Draft(emoji).words == []
    for text in ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "noe\u0308l", "क\u094d\u200dष", "rock\u2019n"):
        assert Draft(text).words == [text]


@pytest.mark.parametrize(("attack", "rate"), [("textbugger", None), ("deepwordbug", None), ("typos", 0.9)])
def test_attacks_leave_emoji_whole(attack, rate):
    emoji = ["\u2764\ufe0f", "👩\u200d👩\u200d👧", "1\ufe0f\u20e3"]
    text = f"I {emoji[0]} it {emoji[1]} really{emoji[2]}"
    asked = []

    def model(texts):
        asked.extend(texts)
        return [[0.1, 0.9]] * len(texts)

    metric.compute(texts=[text], references=[1], model=model, large_model=model, attack=attack, rate=rate)
    assert len(set(asked)) > 1
    for question in asked:
        assert all(one in question for one in emoji)


def test_letters_keep_their_marks():
    for word in ("हिन्दी", "noe\u0308l", "👩\u200d🚀x"):
        assert "".join(letters(word)) == word
    assert letters("e\u0301a") == ["e\u0301", "a"]
    assert len(letters("👩\u200d🚀x")) == 2


# Edits.


def levenshtein(a, b):
    """Written the textbook way, for comparison."""
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            table[i, j] = min(change, table[i - 1, j] + 1, table[i, j - 1] + 1)
    return table[-1, -1]


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_edit_distance_is_levenshteins(a, b):
    assert edit_distance(a, b) == levenshtein(a, b)


@given(words, seeds)
def test_edits_do_what_they_say(word, seed):
    rng = np.random.default_rng(seed)
    for swapped in SwapNeighbours()(word, rng):
        assert swapped != word
        assert sorted(swapped) == sorted(word)
        places = [i for i in range(len(word)) if swapped[i] != word[i]]
        assert len(places) == 2
        assert places[1] == places[0] + 1
    for shorter in DeleteLetter()(word, rng):
        assert len(shorter) == len(word) - 1 == levenshtein(word, shorter) + len(word) - 2
    for longer in InsertLetter()(word, rng):
        assert (len(longer), levenshtein(word, longer)) == (len(word) + 1, 1)
    for edit in (SubstituteLetter(), SimilarLetter(), KeyboardLetter()):
        for other in edit(word, rng):
            assert (len(other), levenshtein(word, other)) == (len(word), 1)


@given(words, seeds)
def test_inside_keeps_the_ends(word, seed):
    rng = np.random.default_rng(seed)
    for edit in (SwapNeighbours(True), DeleteLetter(True), InsertLetter(" ", True)):
        for other in edit(word, rng):
            assert (other[0], other[-1]) == (word[0], word[-1])
            assert other != word


def test_every_place_and_letter_can_be_hit():
    rng = np.random.default_rng(0)
    many = range(3000)
    assert {SwapNeighbours()("abcd", rng)[0] for _ in many} == {"bacd", "acbd", "abdc"}
    assert {SwapNeighbours(True)("abcde", rng)[0] for _ in many} == {"acbde", "abdce"}
    assert {DeleteLetter(True)("abcd", rng)[0] for _ in many} == {"acd", "abd"}
    assert {InsertLetter(" ", True)("abc", rng)[0] for _ in many} == {"a bc", "ab c"}
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    assert {SubstituteLetter()("ab", rng)[0] for _ in many} == (
        {f"{c}b" for c in alphabet if c != "a"} | {f"a{c}" for c in alphabet if c != "b"}
    )
    assert {KeyboardLetter()("Gg", rng)[0] for _ in many} == {
        *(f"{c}g" for c in "FHTYVB"), *(f"G{c}" for c in "fhtyvb")
    }  # fmt: skip
    assert SwapNeighbours()("aaa", rng) == DeleteLetter()("a", rng) == []
    assert SimilarLetter()("xy", rng) == KeyboardLetter()("ж", rng) == []


def test_typos_slip_at_their_rate():
    rng = np.random.default_rng(0)
    slips = [bool(Typos(0.1)("abcde", rng)) for _ in range(5000)]
    # One slip in four is a swap with the next letter, which the last letter does not have.
    expected = 1 - 0.9**4 * (1 - 0.1 * 0.75)
    assert np.mean(slips) == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 5000) ** 0.5)


# Attacks on models that any letter may turn.


def restless(classes):
    """A model whose every word, however misspelt, speaks for some class."""

    def model(texts):
        scores = np.zeros((len(texts), classes))
        for row, text in zip(scores, texts, strict=True):
            for word in re.findall(r"\w+", text if isinstance(text, str) else " ".join(text)):
                kind = zlib.crc32(word.encode())
                row[kind % classes] += 1 + kind // classes % 7 / 7
        rows = np.exp(scores)
        return rows / rows.sum(axis=1, keepdims=True)

    return model


def length_encoder(texts):
    return np.array([[len(text) / 10, text.count("o") + 1, sum(map(ord, text)) % 7] for text in texts])


SYNONYMS = {"film": [0.9, 0.1], "movie": [0.9, 0.2], "picture": [0.8, 0.2], "good": [0.1, 0.9], "fine": [0.2, 0.9]}


def fitting(places):
    return [[text[start:end] + "s", "plain", "the", text[start:end]] for text, (start, end) in places]


NAMED = {
    "textbugger": {},
    "textbugger with vectors": {"word_vectors": SYNONYMS},
    "textbugger with encoder": {"similarity": length_encoder},
    "deepwordbug": {},
    "bert_attack": {"masked_model": fitting},
    "typos": {"rate": 0.1},
}
vocabulary = st.sampled_from(["good", "film", "The", "is", "don't", "Movie", "plot", "schön", "42", "of", "story", "x"])
sentences = st.lists(vocabulary, min_size=1, max_size=9).map(" ".join)
texts_of = st.one_of(sentences, st.tuples(sentences, sentences))


@settings(max_examples=60, deadline=None)
@given(texts_of, st.sampled_from(sorted(NAMED)), st.integers(2, 3), st.integers(0, 2), st.integers(0, 9), st.data())
def test_no_constraint_is_ever_violated(text, name, classes, label, seed, data):
    asked = []
    model = restless(classes)

    def watched(texts):
        asked.extend(texts)
        return model(texts)

    options = dict(NAMED[name])
    most = data.draw(st.none() | st.integers(1, 25), label="max_queries")
    field = data.draw(st.sampled_from(["first", "second"]), label="attack_field")
    target = data.draw(st.none() | st.integers(0, classes - 1), label="target")
    options |= {"max_queries": most, "attack_field": field, "target": target, "seed": seed}
    [(_, _, found)] = metric.attack([text], [label % classes], {"large": watched}, attack=name.split()[0], **options)
    label %= classes
    assert found["queries"] == len(set(asked))
    assert most is None or found["queries"] <= most
    np.testing.assert_allclose(found["scores"], model([text])[0])
    assert (found["status"] == "skipped") == (np.argmax(found["scores"]) != label)
    if found["status"] != "broken":
        assert found["adversarial"] == text
        assert found["adversarial_scores"] == found["scores"]
        return
    [again] = model([found["adversarial"]])
    np.testing.assert_allclose(found["adversarial_scores"], again)
    assert again.argmax() != label
    assert target is None or again.argmax() == target
    place = 0 if field == "first" else 1
    if isinstance(text, tuple):
        assert found["adversarial"][1 - place] == text[1 - place]
        text, adversarial = text[place], found["adversarial"][place]
    else:
        adversarial = found["adversarial"]
    check_changes(text, adversarial, found["changed_words"], name)


def check_changes(text, adversarial, changed_words, name):
    """All but the words that may change stands where it stood."""
    originals = re.findall(r"[\w']+", text)
    free = [name == "typos" or word.lower() not in STOP_WORDS for word in originals]
    assert " ".join(originals) == text
    pattern = " ".join("(.+?)" if may else f"({re.escape(word)})" for word, may in zip(originals, free, strict=True))
    match = re.fullmatch(pattern, adversarial)
    assert match
    assert 1 <= changed_words <= sum(free)
    if name == "deepwordbug":
        assert levenshtein(text, adversarial) <= 30
    if name in ("textbugger", "textbugger with vectors", "bert_attack"):
        assert changed_words <= 0.4 * len(originals)
    if name == "textbugger with encoder":
        a, b = length_encoder([text, adversarial])
        assert a @ b / np.sqrt(a @ a * (b @ b)) >= 0.8 - 1e-9


def test_an_edit_distance_that_is_used_up_stops_the_attack():
    only = Attack(transformations=[lambda word, rng: [word[:-1] + "z"]], constraints=[NoWordTwice(), EditDistance(2)])

    def zs(texts):
        return [[0.3 + 0.04 * text.count("z"), 0.7 - 0.04 * text.count("z")] for text in texts]

    [(_, _, found)] = metric.attack(["one two ten six"], [1], {"large": zs}, attack=only)
    assert found["status"] == "withstood"
    # The clean text, four deletions, a first and a second change; nothing was allowed after that.
    assert found["queries"] == 7


def test_greedy_replaces_the_most_important_word_first_with_its_best_candidate():
    weights = {"mild": 0.5, "great": 2.0, "greet": -0.5, "gr8": -1.0, "wild": 0.1}
    asked = []

    def model(texts):
        asked.append(list(texts))
        score = np.array([sum(weights.get(word, 0) for word in text.split()) for text in texts])
        return np.stack([1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))], axis=1)

    table = {"mild": ["wild", "milk"], "great": ["greet", "gr8"]}
    attack = Attack(transformations=[lambda word, rng: table.get(word, [])])
    [(_, _, found)] = metric.attack(["mild great thing"], [1], {"large": model}, attack=attack)
    assert asked == [
        ["mild great thing"],
        ["great thing", "mild thing", "mild great"],
        ["mild greet thing", "mild gr8 thing"],
    ]
    assert (found["adversarial"], found["queries"], found["changed_words"]) == ("mild gr8 thing", 6, 1)


def test_no_search_asks_once_and_replaces_every_word():
    attack = Attack(transformations=[lambda word, rng: [word.upper()]], constraints=[NoStopWord()], search=NoSearch())
    asked = []

    def model(texts):
        asked.extend(texts)
        return [[0.9, 0.1] if text.isupper() else [0.2, 0.8] for text in texts]

    [(_, _, found)] = metric.attack(["great big film"], [1], {"large": model}, attack=attack)
    assert asked == ["great big film", "GREAT BIG FILM"]
    assert (found["status"], found["queries"], found["changed_words"]) == ("broken", 2, 3)


# Word vectors.


def test_nearest_words_are_those_by_brute_force():
    rng = np.random.default_rng(0)
    names = [f"w{'abcdefghij'[i // 10]}{'abcdefghij'[i % 10]}" for i in range(100)]
    vectors = rng.normal(size=(100, 6))
    made = WordVectors(names, vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for i, found in enumerate(made(names)):
        order = np.argsort(-(unit @ unit[i]))
        assert found.words == [names[j] for j in order[1:6]]
    alone = WordVectors(names, vectors)
    assert [alone([name])[0] for name in names] == made(names)


def test_vectors_are_read_from_the_usual_text_format(tmp_path):
    plain, counted = tmp_path / "plain.txt", tmp_path / "counted.txt"
    lines = "good 1 0.1\nfine 0.9 0.2\ndull -1 0\n, 5 5\n"
    plain.write_text(lines)
    counted.write_text("4 2\n" + lines)
    for path in (plain, str(counted)):
        made = open_vectors(path)
        assert (made.words, made.source) == (["good", "fine", "dull"], "file")
        assert made(["good"])[0].words == ["fine", "dull"]


BAD_VECTORS = {
    "no file": (Path("nowhere.txt"), "nowhere.txt could not be read"),
    "no numbers": ("good one two\n", "line 1 of .* is no word with numbers"),
    "other lengths": ("good 1 2\nbad 1\n", "line 2 of .* has 1 numbers, unlike the lines before"),
    "empty": ("", "holds no word with numbers"),
    "mapping of words": ({"good": "fine"}, "needs vectors of finite numbers"),
    "ragged": ({"good": [1, 2], "bad": [1]}, "needs vectors of finite numbers"),
    "nan": ({"good": [1, float("nan")]}, "needs vectors of finite numbers"),
    "no words": ({1: [1, 2]}, "needs words as its keys, got 1"),
    "a number": (7, "must be a file or a mapping from word to vector, got int"),
}


@pytest.mark.parametrize("case", BAD_VECTORS)
def test_bad_vectors_are_named_in_one_sentence(case, tmp_path):
    given, sentence = BAD_VECTORS[case]
    if isinstance(given, str):
        path = tmp_path / "vectors.txt"
        path.write_text(given)
        given = path
    with pytest.raises(ValueError, match=sentence):
        open_vectors(given)


def test_a_models_own_embeddings_are_those_of_its_whole_words():
    model, tokenizer = tiny_models.classifier(), tiny_models.tokenizer()
    large = as_predictor((model, tokenizer), "large")
    made = open_vectors(None, large)
    assert (sorted(made.words), made.source) == (sorted(tiny_models.WORDS), "large_model")
    table = model.get_input_embeddings().weight.detach().numpy()
    good = tokenizer.get_vocab()["good"]
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)  # the padding token's row is 0
    tokens = {number: word for word, number in tokenizer.get_vocab().items()}
    order = [tokens[i] for i in np.argsort(-(unit @ unit[good])) if tokens[i] in tiny_models.WORDS]
    assert made(["good"])[0].words == order[1:6]


# Masked language models.


@pytest.fixture(scope="module")
def masked():
    """A tiny masked language model whose tokenizer cuts unknown endings off: `films` is film + ##s."""
    vocabulary = {token: i for i, token in enumerate([*tiny_models.SPECIAL, *tiny_models.WORDS, "##s", "s"])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=16, **dict(zip(names, tiny_models.SPECIAL, strict=True))
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    return BertForMaskedLM(config).eval(), tokenizer


def test_substitutes_are_the_models_likeliest_whole_words(masked):
    model, tokenizer = masked
    text = "the films was good"
    found = Substitutes(masked)([(text, (4, 9)), (text, (14, 18))])
    names = {number: token for token, number in tokenizer.get_vocab().items()}

    def likeliest(text, place):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        order = model(input_ids=ids).logits[0, place].argsort(descending=True).tolist()
        return [names[i] for i in order if names[i].isalpha()]

    # `films` is two tokens, so the model fills a mask in; `good` is one, and is read as it is (place 5).
    assert found[0].words == likeliest("the [MASK] was good", 2)
    assert found[1].words == likeliest(text, 5)


def test_words_beyond_what_the_masked_model_reads_have_no_substitutes(masked):
    text = "good " * 30
    first, last = Substitutes(masked)([(text, (0, 4)), (text, (145, 149))])
    assert first.words
    assert last.words == []


def test_bert_attack_uses_a_masked_model_from_a_folder(masked, tmp_path):
    model, tokenizer = masked
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)

    def likes(texts):
        return [[0.1, 0.9] if "good" in text else [0.8, 0.2] for text in texts]

    results = [
        list(metric.attack(["a very good film"], [1], {"large": likes}, attack="bert_attack", masked_model=given))
        for given in (masked, str(tmp_path))
    ]
    assert results[0] == results[1]
    _, _, found = results[0][0]
    [new] = set(found["adversarial"].split()) - {"a", "very", "film"}
    assert new in Substitutes(masked)([("a very good film", (7, 11))])[0].words


BAD_SUBSTITUTES = {
    "too few": lambda places: [],
    "no lists": lambda places: ["film" for _ in places],
    "no words": lambda places: [[1] for _ in places],
}


@pytest.mark.parametrize("case", BAD_SUBSTITUTES)
def test_a_masked_model_that_gives_no_words_is_named(case):
    with pytest.raises(ValueError, match="masked_model must return a list of words for each of 3 places"):
        list(metric.attack(["good film anew"], [0], {"large": lambda texts: [[0.9, 0.1]] * len(texts)},
                           attack="bert_attack", masked_model=BAD_SUBSTITUTES[case]))  # fmt: skip


# Random choices.


def test_attacks_leave_the_global_generators_alone():
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002 - what must not be touched
    torch.manual_seed(3)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    for attack in ("textbugger", "deepwordbug", "typos"):
        list(metric.attack(["a good film"], [1], {"large": restless(2)}, attack=attack))
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
