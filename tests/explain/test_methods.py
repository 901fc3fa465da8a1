"""The explanation methods: known weights, agreement with lime, shap and captum, pairs, and odd texts."""

import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trusteq.explain.gradients import classifier_gradients as integrated_gradients
from trusteq.explain.methods import explain, merge_tree, ranked
from trusteq.kinds.text import WordTokenizer

lime_text = pytest.importorskip("lime.lime_text", reason="lime is not installed")
shap = pytest.importorskip("shap", reason="shap is not installed")

METHODS = ("lime", "lime_package", "shap", "shap_permutation", "occlusion")
REVIEW = 'the rock is destined to be the 21st century\'s new " conan " , and he is going to make a splash . the end'
PAIR = ("A man sleeps, and the cat sleeps.", "The cat is awake")
WEIGHTS = {"superb": 2.0, "good": 1.2, "fine": 0.5, "slow": -0.8, "awful": -1.6}
SENTENCE = "a slow film with a fine plot but awful and superb acting, good"
RANKED = ["superb", "awful", "good", "slow", "fine"]


def sentiment(texts):
    """A bag of words: p(1) = sigmoid(a tenth of the sum of weights), where the sigmoid is all but straight."""
    parts = [text if isinstance(text, str) else " ".join(text) for text in texts]
    score = np.array([sum(WEIGHTS.get(word, 0.0) / 10 for word in part.split()) for part in parts])
    p = 1 / (1 + np.exp(-score))
    return np.stack([1 - p, p], axis=1)


def noise(texts):
    """Three probabilities that depend on every character of the text, and on nothing else."""
    seeds = [np.frombuffer(repr(text).encode("utf-8", "surrogatepass"), np.uint8) for text in texts]
    return np.stack([np.random.default_rng(seed).dirichlet([1, 1, 1]) for seed in seeds])


class Listener:
    """A model that remembers what it was asked, in calls of so many texts."""

    def __init__(self, model=noise):
        self.model, self.calls = model, []

    def __call__(self, texts):
        assert type(texts) is list
        self.calls.append(texts)
        return self.model(texts)

    @property
    def texts(self):
        return [text for call in self.calls for text in call]


# Known weights.


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", [SENTENCE, ("a slow film with a fine plot", "awful and superb acting , good")])
def test_words_of_a_bag_of_words_come_in_the_order_of_their_weights(method, text):
    found = explain(method, text, sentiment, target=1, seed=0)
    assert [word for word, _ in found[:5]] == RANKED
    assert all(weight * WEIGHTS[word] > 0 for word, weight in found[:5])
    assert all(abs(weight) < abs(found[4][1]) / 2 for _, weight in found[5:])


@pytest.mark.parametrize("method", METHODS)
def test_the_other_class_has_the_opposite_weights(method):
    for_, against = (dict(explain(method, SENTENCE, sentiment, target, seed=3)) for target in (1, 0))
    assert for_ == pytest.approx({word: -weight for word, weight in against.items()}, abs=1e-9)


def test_occlusion_by_hand():
    def ask(texts):
        p = np.array(
            [[0.9, 0.4, 0.7, 0.8, 0.8][["a b  a c", "b  a c", "a  a c", "a b c", "a b  a"].index(t)] for t in texts]
        )
        return np.stack([1 - p, p], axis=1)

    # The first a weighs 0.5, the second 0.1: the word has the weight of the stronger.
    assert explain("occlusion", "a b  a c", ask, 1, 0) == [
        ("a", pytest.approx(0.5)),
        ("b", pytest.approx(0.2)),
        ("c", pytest.approx(0.1)),
    ]


def test_ties_are_in_the_order_of_the_text():
    def ask(texts):
        return np.full((len(texts), 2), 0.5)

    for method in METHODS:
        assert [word for word, _ in explain(method, "z y x w v z", ask, 1, 0)] == list("zyxwv")


# Agreement with the libraries.


JOINED = "Two dogs don't run. [SEP] It's a dog's life [SEP] indeed"
MANY = " ".join(f"w{i}" for i in range(150))  # more words than samples


@pytest.mark.parametrize("text", [REVIEW, SENTENCE, JOINED, MANY, "one two three", "Ünïcode wörds — 你好 and עברית"])
@pytest.mark.parametrize("target, samples, seed, features", [(0, 1000, 42, 20), (2, 100, 7, 20), (1, 100, 3, 7)])
def test_lime_is_the_library(text, target, samples, seed, features):
    asked = []

    def model(lines):
        asked.extend(lines)
        return noise(lines)

    theirs = lime_text.LimeTextExplainer(random_state=seed).explain_instance(
        text, model, labels=(target,), num_features=features, num_samples=samples
    )
    ours = Listener()
    found = explain("lime_package", text, ours, target, seed, samples, features)
    assert dict(found) == pytest.approx(dict(theirs.as_list(label=target)), abs=1e-8)
    assert ours.texts == asked


def test_few_words_are_chosen_as_the_library_chooses_them():
    theirs = lime_text.LimeTextExplainer(random_state=3).explain_instance(
        SENTENCE, noise, labels=(1,), num_features=3, num_samples=60
    )
    found = explain("lime_package", SENTENCE, noise, 1, 3, 60, 3)
    assert dict(found) == pytest.approx(dict(theirs.as_list(label=1)), abs=1e-8)
    assert len(found) == 3


def test_limes_own_words_are_whole():
    text = "It's good, don't\u2019 miss the dogs' cafe\u0301"
    assert {word for word, _ in explain("lime", text, noise, 1, seed=0)} == {
        "It's", "good", "don't", "miss", "the", "dogs", "cafe\u0301",
    }  # fmt: skip
    fragments = {word for word, _ in explain("lime_package", text, noise, 1, seed=0)}
    assert {"s", "t", "don", "dogs", "cafe"} <= fragments
    plain = "the words of this text are whole as they stand"
    assert explain("lime", plain, noise, 1, seed=5) == explain("lime_package", plain, noise, 1, seed=5)


def tree_of(line, boundary):
    words = [piece.strip() for piece in WordTokenizer(boundary)(line)["input_ids"]]
    return merge_tree(words, boundary, shap.maskers._text)


def library_shap(text, pattern, model, seed, samples):
    np.random.seed(seed)  # noqa: NPY002 - what shap draws from
    explainer = shap.Explainer(
        lambda texts: model([str(t) for t in texts]), shap.maskers.Text(pattern), algorithm="partition"
    )
    found = explainer([text], max_evals=samples, silent=True)
    return [word.strip() for word in found.data[0]], found.values[0]


@pytest.mark.parametrize("text", [REVIEW, SENTENCE, "one two", "Ünïcode  wörds — 你好 (and) עברית\n"])
@pytest.mark.parametrize("samples", [500, 60])
def test_shap_is_the_library(text, samples):
    words, values = library_shap(text, r"(?<=\S)(?=\s+\S)", noise, 5, samples)
    for target in range(3):
        expected = ranked(zip(words, values[:, target], strict=True))
        found = explain("shap", text, noise, target, seed=5, samples=samples)
        assert [word for word, _ in found] == [word for word, _ in expected]
        assert dict(found) == pytest.approx(dict(expected), abs=1e-6)


@pytest.fixture(scope="module")
def seed_compiled():
    """The generator of shap's compiled code, which nothing else can seed."""
    numba = pytest.importorskip("numba")
    return numba.njit(lambda seed: np.random.seed(seed))  # noqa: NPY002


@pytest.mark.parametrize("text", [REVIEW, SENTENCE, JOINED, "one two", "Ünïcode  wörds — 你好 (and) עברית\n"])
@pytest.mark.parametrize("samples", [100, 260])
def test_permutations_are_the_librarys(text, samples, seed_compiled):
    explainer = shap.Explainer(
        lambda texts: noise([str(t) for t in texts]), shap.maskers.Text(r"(?<=\S)(?=\s+\S)"), algorithm="permutation"
    )
    seed_compiled(9)
    theirs = explainer([text], max_evals=max(samples, 2 * len(text.split()) + 1), silent=True)
    words = [word.strip() for word in theirs.data[0]]
    for target in range(3):
        expected = ranked(zip(words, theirs.values[0][:, target].tolist(), strict=True))
        found = explain("shap_permutation", text, noise, target, seed=9, samples=samples)
        assert dict(found) == pytest.approx(dict(expected), abs=1e-9)


def test_permutations_of_a_pair_are_the_librarys_where_the_boundary_stays(seed_compiled):
    def from_one_line(lines):
        return noise([tuple(part.strip() for part in str(line).split("\ue000")) for line in lines])

    class Masker(shap.maskers.Text):
        def clustering(self, line):
            return tree_of(line, "\ue000")

    explainer = shap.Explainer(from_one_line, Masker(WordTokenizer("\ue000")), algorithm="permutation")
    seed_compiled(9)
    theirs = explainer(["\ue000".join(PAIR)], max_evals=100, silent=True)
    words = [word.strip() for word in theirs.data[0]]
    expected = ranked(zip(words, theirs.values[0][:, 1].tolist(), strict=True))
    found = explain("shap_permutation", PAIR, noise, 1, seed=9)
    assert dict(found) == pytest.approx({word: v for word, v in expected if word != "\ue000"}, abs=1e-9)
    assert "\ue000" in words


def test_permutations_ask_as_often_as_the_words_need():
    for words, asked in ((20, 2 * 41), (40, 81), (60, 121)):
        listener = Listener()
        explain("shap_permutation", " ".join(f"w{i}" for i in range(words)), listener, 1, seed=0)
        assert sum(map(len, listener.calls)) == asked


def test_permutation_values_add_up_to_the_change_of_the_probability():
    text = " ".join(dict.fromkeys(REVIEW.split()))  # a repeated word would be told once, by its strongest place
    whole, nothing = noise([text, "..."])[:, 1]
    found = explain("shap_permutation", text, noise, 1, seed=3, samples=300)
    assert sum(weight for _, weight in found) == pytest.approx(whole - nothing)


def test_shap_is_the_library_with_spaces_behind_the_words_where_dots_are_tokens():
    def tokens_apart(texts):  # as most tokenizers have it; shap writes "...word" when space is kept behind the words
        return noise([" ".join(text.replace("...", " ... ").split()) for text in texts])

    words, values = library_shap(REVIEW, r"\s+", tokens_apart, 1, 200)
    expected = dict(ranked(zip(words, values[:, 1], strict=True)))
    assert dict(explain("shap", REVIEW, tokens_apart, 1, seed=1, samples=200)) == pytest.approx(expected, abs=1e-6)


word = st.sampled_from(["a", "b.", "(", ")", "and", ",", ".", "'", "s", "[x]", "##y", "it's", "end?", "(c)", "[", "!"])


@settings(max_examples=200, deadline=None)
@given(st.lists(word, min_size=2, max_size=40))
def test_the_tree_of_words_is_the_librarys(words):
    text = " ".join(words)
    assert np.array_equal(tree_of(text, "\ue000"), shap.maskers.Text(r"(?<=\S)(?=\s+\S)").clustering(text))


def test_the_tree_of_a_pair_joins_the_two_texts_last():
    tree = tree_of("[a] b, c|d e. [f] g", "|")
    sides = {i: {i} for i in range(8)}
    for row, (one, two, *_) in enumerate(tree):
        sides[8 + row] = sides[one] | sides[two]
    groups = list(sides.values())
    assert {0, 1, 2} in groups
    assert {4, 5, 6, 7} in groups


# Seeds and other explanations.


def questions(method, model, seed):
    listener = Listener(model)
    explain(method, "one two three four five six seven", listener, 1, seed)
    return listener.texts


def test_same_seed_same_questions_for_both_models():
    for method in ("lime", "shap_permutation"):
        assert questions(method, sentiment, seed=1) == questions(method, noise, seed=1)
    assert questions("lime", noise, seed=1) != questions("lime", noise, seed=2)
    assert questions("occlusion", sentiment, seed=1) == questions("occlusion", noise, seed=2)
    # shap goes where the model changes most; with as many samples as this text needs, it comes everywhere.
    assert sorted(questions("shap", sentiment, seed=1)) == sorted(questions("shap", noise, seed=1))


def random_state():
    _, keys, position, *_ = np.random.get_state()  # noqa: NPY002 - what shap draws from
    return position, *keys.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_global_is_held_while_the_model_is_asked(method):
    samples = None if method == "occlusion" else 80
    alone = explain(method, REVIEW, noise, 1, seed=4, samples=samples)
    before = random_state()

    def meanwhile(texts):
        explain(method, "another text of some words", noise, 1, seed=4)
        assert random_state() == before
        return noise(texts)

    assert explain(method, REVIEW, meanwhile, 1, seed=4, samples=samples) == alone
    assert random_state() == before


@pytest.mark.parametrize("method", METHODS)
def test_threads_explain_at_once_as_alone_while_others_draw_random_numbers(method):
    samples = None if method == "occlusion" else 60
    texts = [f"{REVIEW} {i}" for i in range(4)]
    alone = [explain(method, text, noise, 1, seed=4, samples=samples) for text in texts]
    stop = threading.Event()

    def draw():
        while not stop.is_set():
            np.random.standard_normal(100)  # noqa: NPY002

    other = threading.Thread(target=draw)
    other.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda text: explain(method, text, noise, 1, seed=4, samples=samples), texts * 3)
            assert list(found) == alone * 3
    finally:
        stop.set()
        other.join()


def test_shap_gives_back_the_random_state_when_the_model_fails():
    before = random_state()

    def fail(texts):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        explain("shap", REVIEW, fail, 1, seed=0)
    assert random_state() == before


# Pairs.


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "pair",
    [
        PAIR,
        ("", "only this one"),
        ("only that one", " "),
        ("x [SEP] y", "[SEP] z"),
        ("S E P", "SEP [SEP]"),
        ("\ue000 a \ue001", "\ue000b"),
        ("a\n", "\tb"),
        ("same", "same"),
    ],
)
def test_every_question_about_a_pair_is_a_pair(method, pair):
    listener = Listener()
    found = explain(method, pair, listener, 1, seed=0)
    assert found
    assert all(type(text) is tuple and [type(part) for part in text] == [str, str] for text in listener.texts)
    squeezed = [tuple(" ".join(part.split()) for part in text) for text in listener.texts]
    assert tuple(" ".join(part.split()) for part in pair) in squeezed
    pattern = r"\w+" if method.startswith("lime") else r"\S+"
    words = [set(re.findall(pattern, part)) for part in pair]
    for text in squeezed:  # what is asked about a part has only the words of that part
        for mine, part in zip(words, text, strict=True):
            assert set(re.findall(pattern, part)) <= mine | {"..."}
    assert {word for word, _ in found} == words[0] | words[1]


@pytest.mark.parametrize("method", ["lime", "lime_package"])
def test_lime_of_a_pair_is_the_library_on_one_string(method):
    def from_one_string(lines):
        return noise([tuple(line.split(" ⁂ ")) for line in lines])

    theirs = lime_text.LimeTextExplainer(random_state=1).explain_instance(
        " ⁂ ".join(PAIR), from_one_string, labels=(1,), num_features=20, num_samples=300
    )
    assert dict(explain(method, PAIR, noise, 1, 1, 300)) == pytest.approx(dict(theirs.as_list(label=1)), abs=1e-6)


def test_shapley_values_of_a_pair_by_hand():
    """p(a, b) = 0.1, p(..., b) = 0.4, p(a, ...) = 0.2, p(..., ...) = 0.6: a has (0.1 - 0.4 + 0.2 - 0.6) / 2."""
    table = {("a", "b"): 0.1, ("...", "b"): 0.4, ("a", "..."): 0.2, ("...", "..."): 0.6}

    def ask(texts):
        p = np.array([table[text] for text in texts])
        return np.stack([1 - p, p], axis=1)

    for method in ("shap", "shap_permutation"):
        assert explain(method, ("a", "b"), ask, 1, 0) == [("a", pytest.approx(-0.35)), ("b", pytest.approx(-0.15))]


# Odd texts.


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", ["", " \n\t ", ("", ""), (" ", "\n")])
def test_blank_text_has_no_words_and_no_questions(method, text):
    listener = Listener()
    assert explain(method, text, listener, 1, seed=0) == []
    assert listener.calls == []


def test_lime_finds_no_words_in_emoji():
    listener = Listener()
    assert explain("lime", "🙂 🙃 !?", listener, 1, seed=0) == []
    assert listener.calls == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "text, words",
    [
        ("word", {"word"}),
        ("我喜欢这部电影", {"我喜欢这部电影"}),
        ("הסרט היה טוב", {"הסרט", "היה", "טוב"}),
    ],
)
def test_texts_in_other_scripts(method, text, words):
    assert {word for word, _ in explain(method, text, noise, 1, seed=0)} == words


@pytest.mark.parametrize("method", ["lime", "shap", "shap_permutation", "occlusion"])
def test_combining_characters_and_emoji_stay_in_their_words(method):
    words = {"cafe\u0301", "नमस्ते", "ok"} | ({"👩\u200d🚀"} if method != "lime" else set())
    assert {word for word, _ in explain(method, " ".join(words), noise, 1, seed=0)} == words


def test_one_word_has_the_difference_from_nothing():
    def ask(texts):
        p = np.array([{"good": 0.75, "...": 0.5, "": 0.25}[text] for text in texts])
        return np.stack([1 - p, p], axis=1)

    for method in ("shap", "shap_permutation"):
        assert explain(method, "good", ask, 1, 0) == [("good", pytest.approx(0.25))]
    assert explain("occlusion", "good", ask, 1, 0) == [("good", pytest.approx(0.5))]


odd = st.text(st.one_of(st.characters(), st.sampled_from(" \n[]()\ue000.,ab\u0301")), max_size=25)


@settings(max_examples=150, deadline=None)
@given(st.one_of(odd, st.tuples(odd, odd)), st.sampled_from(METHODS))
def test_any_text_has_distinct_words_in_falling_order(text, method):
    listener = Listener()
    found = explain(method, text, listener, 2, seed=0, samples=None if method == "occlusion" else 40)
    words, weights = [word for word, _ in found], [abs(weight) for _, weight in found]
    assert len(set(words)) == len(words)
    assert weights == sorted(weights, reverse=True)
    assert all(type(word) is str and type(weight) is float and np.isfinite(weight) for word, weight in found)
    whole = " ".join([text] if isinstance(text, str) else text)
    assert all(word and word in whole for word in words)
    assert bool(found) == bool(listener.calls)
    assert {type(asked) for asked in listener.texts} <= {type(text)}
    if not method.startswith("lime"):
        assert bool(found) == bool(whole.split())


@pytest.mark.parametrize("method", ["lime", "lime_package", "shap", "occlusion"])  # a permutation of them takes minutes
def test_ten_thousand_words(method):
    text = " ".join(f"w{i}" for i in range(10_000))
    listener = Listener(lambda texts: np.full((len(texts), 2), 0.5))
    assert len(explain(method, text, listener, 1, seed=0, samples=None if method == "occlusion" else 20)) >= 20
    if method == "occlusion":  # as many questions as words, but never all in memory
        assert len(listener.texts) == 10_001
        assert max(sum(map(len, call)) for call in listener.calls) < 2**23
    else:
        assert len(listener.texts) <= 20


def test_a_long_word_among_many_does_not_fill_the_memory():
    """The packages keep words in a table whose cells are all as wide as the longest: 4 GB for these."""
    listener = Listener(lambda texts: np.full((len(texts), 2), 0.5))
    text = " ".join(f"w{i}" for i in range(10_000)) + " " + "b" * 100_000
    assert len(explain("shap", text, listener, 1, seed=0, samples=40)) == 10_001
    assert max(sum(map(len, call)) for call in listener.calls) < 2**23


def test_shap_asks_what_the_library_asks_and_of_a_short_text_all_at_once():
    for words, rounds in ((12, 1), (40, 86)):
        text, asked = " ".join(f"w{i}" for i in range(words)), []
        explainer = shap.Explainer(
            lambda texts: asked.extend(map(str, texts)) or noise([str(t) for t in texts]),  # noqa: B023
            shap.maskers.Text(r"(?<=\S)(?=\s+\S)"),
            algorithm="partition",
        )
        np.random.seed(1)  # noqa: NPY002 - what shap draws from
        explainer([text], max_evals=500, silent=True)
        listener = Listener()
        explain("shap", text, listener, 1, seed=1, samples=500)
        assert sorted(set(asked)) == sorted(listener.texts)
        assert len(listener.calls) <= rounds


def test_unknown_method_and_samples_of_occlusion():
    with pytest.raises(
        ValueError,
        match="method must be 'lime' or 'lime_package' or 'shap' or 'shap_permutation' or 'occlusion', got 'lame'",
    ):
        explain("lame", "text", noise, 1, 0)
    with pytest.raises(ValueError, match="takes no samples"):
        explain("occlusion", "text", noise, 1, 0, samples=10)


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_missing_package_is_named(method, monkeypatch):
    for name in [*sys.modules]:
        if name.partition(".")[0] == method:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, method, None)
    few = {"features": 1} if method == "lime" else {}  # only then is the package asked
    with pytest.raises(ImportError, match=f"pip install {method}"):
        explain(method, "a text", noise, 1, 0, **few)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_printed(method, capfd):
    explain(method, REVIEW, noise, 1, 0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "method, default", [("lime", 20), ("lime_package", 20), ("shap", 60), ("shap_permutation", 60), ("occlusion", 60)]
)
def test_number_of_words(method, default):
    text = " ".join(f"w{i}" for i in range(60))
    everything = explain(method, text, noise, 1, 0)
    assert len(everything) == default
    few = explain(method, text, noise, 1, 0, features=7)
    assert len(few) == 7
    if default == 60:  # lime fits the words that it keeps once more
        assert few == everything[:7]


# Integrated gradients.


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("captum", reason="captum is not installed")
    return pytest.importorskip("torch", reason="the extra `train` is not installed")


VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *WEIGHTS,
    "film",
    "plot",
    "but",
    "a",
    ",",
    ".",
    "ac",
    "##ting",
    "##ly",
]
DISTINCT = ["a slow film , but superb acting", "awful plot .", "  a fine, superbly acting film. ", ("", "superb")]
DISTINCT += [("a slow film", "awful acting"), ("fine", "plot ... superb but slow")]
TEXTS = [*(text for text in DISTINCT if isinstance(text, str)), "good", REVIEW]
PAIRS = [*(text for text in DISTINCT if not isinstance(text, str)), ("good good film", "a fine plot"), ("awful", " ")]


@pytest.fixture(scope="module")
def word_pieces():
    transformers = pytest.importorskip("transformers", reason="the extra `train` is not installed")
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({piece: i for i, piece in enumerate(VOCABULARY)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), VOCABULARY, strict=False))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names)


@pytest.fixture(scope="module")
def byte_pieces():
    transformers = pytest.importorskip("transformers", reason="the extra `train` is not installed")
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([REVIEW, *TEXTS, *WEIGHTS], trainer)
    made.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def tiny(torch, kind, tokenizer):
    import transformers

    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "num_labels": 3}
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    if kind == "bert":
        made = transformers.BertForSequenceClassification(transformers.BertConfig(**common, **size))
    elif kind == "roberta":
        made = transformers.RobertaForSequenceClassification(transformers.RobertaConfig(**common, **size))
    else:
        size = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
        made = transformers.DistilBertForSequenceClassification(transformers.DistilBertConfig(**common, **size))
    torch.manual_seed(0)  # how much of it a new model takes depends on the version
    with torch.no_grad():  # larger than a new model's, so that words matter; padding too, as in a trained model
        for parameter in made.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.3)
    return made.eval()


@pytest.fixture(params=["bert", "distilbert", "roberta"])
def encoder(request, torch, monkeypatch):
    tokenizer = request.getfixturevalue("byte_pieces" if request.param == "roberta" else "word_pieces")
    if request.param == "distilbert":
        monkeypatch.setattr(tokenizer, "model_input_names", ["input_ids", "attention_mask"])
    return tiny(torch, request.param, tokenizer), tokenizer


def bag_of_words(torch, tokenizer):
    """A BERT whose probability is known: p(1) = sigmoid(2 tanh(about 0.1 * mean of the weights of the tokens)).

    Embeddings hold (w, -w, C, -C) with a large C, so that layer norm only scales them, by nearly the same for all.
    Attention is uniform, what it brings goes on to the pooler, and everything else is switched off.
    """
    import transformers

    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4
    )
    model = transformers.BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(float("LayerNorm.weight" in name))
        table = model.get_input_embeddings().weight
        table[:, 2], table[:, 3] = 10.0, -10.0
        for piece, weight in WEIGHTS.items():
            table[tokenizer.convert_tokens_to_ids(piece), 0] = weight
            table[tokenizer.convert_tokens_to_ids(piece), 1] = -weight
        attention = model.bert.encoder.layer[0].attention
        attention.self.value.weight.copy_(torch.eye(4))
        attention.output.dense.weight.copy_(torch.eye(4))
        model.bert.pooler.dense.weight[0, 0] = 1.0
        model.classifier.weight[0, 0], model.classifier.weight[1, 0] = -4.0, 4.0
    return model


def test_integrated_gradients_rank_a_bag_of_words(torch, word_pieces):
    text = "a slow film a fine plot but awful acting superb good"
    (found,) = integrated_gradients(bag_of_words(torch, word_pieces), word_pieces, [text], [1])
    assert [word for word, _ in found[:5]] == RANKED
    scale = found[0][1] / WEIGHTS["superb"]
    # Layer norm bends the weights by (w/C)² = 4 % at most.
    assert dict(found[:5]) == pytest.approx({w: weight * scale for w, weight in WEIGHTS.items()}, rel=0.1)
    assert all(abs(weight) < 0.01 * abs(found[0][1]) for _, weight in found[5:])


def probability(torch, model, tokenizer, text, target, baseline=False):
    """p(target) of the text, or of its baseline: special tokens where they were, padding's embedding for the rest."""
    parts = (text,) if isinstance(text, str) else text
    inputs = tokenizer(*parts, return_tensors="pt", return_special_tokens_mask=True)
    special = inputs.pop("special_tokens_mask").bool()
    inputs = {name: inputs[name] for name in tokenizer.model_input_names if name in inputs}
    table = model.get_input_embeddings()
    ids = inputs.pop("input_ids")
    vectors = table(torch.where(special, ids, tokenizer.pad_token_id) if baseline else ids)
    with torch.no_grad():
        return model(inputs_embeds=vectors, **inputs).logits.softmax(-1)[0, target].item()


@pytest.mark.parametrize("text", DISTINCT)
def test_weights_of_the_words_sum_to_the_change_of_the_probability(torch, encoder, text):
    model, tokenizer = encoder
    (found,) = integrated_gradients(model, tokenizer, [text], [1], steps=300)
    assert {word for word, _ in found} == set(" ".join([text] if isinstance(text, str) else text).split())
    change = probability(torch, model, tokenizer, text, 1) - probability(torch, model, tokenizer, text, 1, True)
    assert abs(change) > 1e-3, "a change of nothing would prove nothing"
    # On a smooth path 300 points are exact to float32, here sums over some 20 tokens of 16 numbers. DistilBERT ends in
    # a ReLU, and a kink in the path costs up to one step of it.
    smooth = type(model).__name__ != "DistilBertForSequenceClassification"
    assert sum(weight for _, weight in found) == pytest.approx(change, abs=1e-5 if smooth else 1 / 300)


def test_word_pieces_are_captums(torch, encoder):
    from captum.attr import LayerIntegratedGradients

    model, tokenizer = encoder
    text = "a superbly slow film"
    inputs = tokenizer(text, return_tensors="pt", return_special_tokens_mask=True)
    ids, special = inputs["input_ids"], inputs["special_tokens_mask"].bool()
    scores = (
        LayerIntegratedGradients(lambda ids: model(ids).logits.softmax(-1), model.get_input_embeddings())
        .attribute(ids, baselines=torch.where(special, ids, tokenizer.pad_token_id), target=2, n_steps=50)[0]
        .sum(-1)
    )
    expected = dict.fromkeys(text.split(), 0.0)
    for i, (_, end) in enumerate(tokenizer(text, return_offsets_mapping=True)["offset_mapping"]):
        if end:
            expected[text.split()[text[: end - 1].count(" ")]] += scores[i].item()
    (found,) = integrated_gradients(model, tokenizer, [text], [2])
    assert dict(found) == pytest.approx(expected, abs=1e-6)  # float32


@pytest.mark.parametrize("batch_tokens", [1, 100, 1024, 100_000])
def test_texts_in_batches_are_explained_as_one_by_one(torch, encoder, batch_tokens):
    model, tokenizer = encoder
    texts = [*TEXTS, *PAIRS, *TEXTS[:2], ("film superb", "acting slow")]
    targets = [i % 3 for i in range(len(texts))]
    together = integrated_gradients(model, tokenizer, texts, targets, batch_tokens=batch_tokens)
    for text, target, found in zip(texts, targets, together, strict=True):
        (alone,) = integrated_gradients(model, tokenizer, [text], [target])
        assert dict(found) == pytest.approx(dict(alone), abs=1e-6)  # float32, summed in another order


def test_a_pass_takes_no_more_tokens_than_asked(torch, word_pieces):
    model, sizes = tiny(torch, "bert", word_pieces), []
    model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    integrated_gradients(model, word_pieces, ["good film"] * 30 + ["fine " * 40], [1] * 31, batch_tokens=300)
    assert max(sizes) <= 300
    assert len(sizes) > 50


def test_explaining_leaves_the_model_as_it_was(torch, word_pieces):
    model = tiny(torch, "bert", word_pieces).requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    (found,) = integrated_gradients(model, word_pieces, ["good film"], [0])
    assert any(weight for _, weight in found)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())
    assert not model.get_input_embeddings()._forward_hooks


def test_words_beyond_the_length_of_the_model_are_left_out(torch, word_pieces):
    (found,) = integrated_gradients(
        tiny(torch, "bert", word_pieces), word_pieces, ["good film superbly acting"], [1], max_length=6
    )
    assert {word for word, _ in found} == {"good", "film", "superbly"}  # [CLS] good film superb ##ly [SEP]


def test_special_tokens_in_the_text_are_its_words(torch, word_pieces):
    (found,) = integrated_gradients(tiny(torch, "bert", word_pieces), word_pieces, ["a [SEP] 🙂 b"], [1])
    assert {word for word, _ in found} == {"a", "[SEP]", "🙂", "b"}


def test_blank_texts_have_no_words(torch, encoder):
    texts = ["", " \n", ("", " "), "good"]
    found = integrated_gradients(*encoder, texts, [0] * 4)
    assert [len(words) for words in found] == [0, 0, 0, 1]
    assert integrated_gradients(*encoder, [], []) == []


def test_what_integrated_gradients_cannot_use_is_said_in_a_sentence(torch, word_pieces):
    model = tiny(torch, "bert", word_pieces)
    with pytest.raises(ValueError, match=r"call model.eval\(\) first"):
        integrated_gradients(model.train(), word_pieces, ["good"], [1])
    model.eval()
    with pytest.raises(ValueError, match="one target per text, got 2 for 1"):
        integrated_gradients(model, word_pieces, ["good"], [1, 0])
    with pytest.raises(ValueError, match="fast tokenizer"):
        integrated_gradients(model, SimpleNamespace(is_fast=False, pad_token_id=0), ["good"], [1])
    with pytest.raises(ValueError, match="no pad_token"):
        integrated_gradients(model, SimpleNamespace(is_fast=True, pad_token_id=None), ["good"], [1])
