"""`trusteq audit --task generate`: what models write, where it parts, and which answers turn; from checkpoints, GGUF
files and servers."""

import json
from itertools import takewhile

import jsonschema
import numpy as np
import pyarrow.parquet
import pytest
import torch
from served_models import Server
from tiny_gguf import tiny_gguf
from tiny_language_models import KINDS, WORDS, network, tokenizer

from trusteq.audit.generated import Questions, written_family
from trusteq.audit.options import AuditOptions
from trusteq.audit.recorded import audit_answers
from trusteq.audit.schema import SCHEMA
from trusteq.cli import generate as command
from trusteq.models import client, writing
from trusteq.models.prompts import Prompt
from trusteq.models.writing import Decoding, open_writer

SPOKEN = [*WORDS, "Question", "Answer"]
PROMPT = Prompt(prompt="Question : {text} Answer :")
TEXTS = ["the film was very good", "awful", "the plot is dull but the acting is great", "awful", "a cat sleeps"]


def model(kind="llama", seed=0, spread=0.2):
    return network(kind, seed=seed, positions=128, words=SPOKEN, spread=spread), tokenizer(128, SPOKEN)


def plain_loop(pair, text, most=6):
    network, words = pair
    ids = words(PROMPT.prompt.replace("{text}", text))["input_ids"][:-1]
    made = []
    while len(made) < most and (not made or made[-1] not in (3, words.sep_token_id)):
        with torch.no_grad():
            made.append(int(network(torch.tensor([ids + made])).logits[0, -1].argmax()))
    return made


def texts_of(writer, texts=TEXTS):
    found = dict(writer.write(texts))
    return [found[i].text for i in range(len(texts))]


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_answers_are_those_of_a_plain_loop(kind):
    pair = model(kind, spread=0.2 if kind != "bloom" else 0.8)  # or else it says one thing of everything
    expected = [pair[1].decode(plain_loop(pair, text), skip_special_tokens=True).strip() for text in TEXTS]
    assert len(set(expected)) > 2
    for tokens in (1, 40, 1000):
        assert texts_of(open_writer(pair, "large", PROMPT, Decoding(6), tokens=tokens)) == expected


def test_drawn_answers_depend_on_the_seed_and_on_nothing_beside_them():
    pair = model()
    drawn = Decoding(6, temperature=1.0, seed=1)
    alone = [texts_of(open_writer(pair, "large", PROMPT, drawn, tokens=1), [text])[0] for text in TEXTS]
    assert texts_of(open_writer(pair, "large", PROMPT, drawn)) == alone
    assert texts_of(open_writer(pair, "large", PROMPT, Decoding(6, temperature=1.0, seed=2))) != alone
    assert texts_of(open_writer(pair, "large", PROMPT, Decoding(6, temperature=1e-6, seed=2))) == texts_of(
        open_writer(pair, "large", PROMPT, Decoding(6))
    )


def test_drawn_answers_follow_the_models_probabilities():
    pair = model()
    writer = open_writer(pair, "large", PROMPT, Decoding(1, temperature=1.0))
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    drawn = [int(writer.chosen(logits, [[i]], [[]])) for i in range(3000)]
    assert np.bincount(drawn, minlength=3) / 3000 == pytest.approx(logits.softmax(-1)[0].numpy(), abs=0.03)


def test_an_answer_ends_before_a_stop_and_says_when_it_was_cut():
    pair = model()
    whole = dict(open_writer(pair, "large", PROMPT, Decoding(8)).write(TEXTS[:1]))[0]
    word = whole.text.split()[1]
    short = dict(open_writer(pair, "large", PROMPT, Decoding(8, stop=(word,))).write(TEXTS[:1]))[0]
    assert short.text == whole.text[: whole.text.find(word)].strip()
    assert short.ended
    assert len(short.tokens) < len(whole.tokens)
    assert not whole.ended


def test_a_question_too_long_is_cut_and_counted():
    writer = open_writer(model(), "large", PROMPT, Decoding(6))
    assert len(texts_of(writer, ["good film " * 100, "awful"])) == 2
    assert writer.truncated == 1
    with pytest.raises(ValueError, match="large reads 128 tokens, and `max_tokens`=128 leaves no room"):
        open_writer(model(), "large", PROMPT, Decoding(128))


def test_nan_is_one_sentence():
    pair = model()
    torch.nn.init.constant_(pair[0].lm_head.weight, float("nan"))
    with pytest.raises(ValueError, match="large answers NaN: load it in float32"):
        texts_of(open_writer(pair, "large", PROMPT, Decoding(6)))


# In code.


def test_the_errors_are_those_of_the_answers_and_a_scorer_may_be_a_function():
    pairs = {"large": model(), "small": model(seed=1)}
    said = {name: texts_of(open_writer(pair, name, PROMPT, Decoding(6))) for name, pair in pairs.items()}
    right = [[one] if i < 3 else ["nothing"] for i, one in enumerate(said["large"])]

    def same(answer, given):
        return answer in given

    questions = Questions(TEXTS, right)
    family, records = written_family(pairs, questions, PROMPT, Decoding(6), scorer=same, floor="batch")
    found, changed = audit_answers(family, AuditOptions(dimensions=["prediction_error_jaccard"], floor="rounding"))
    assert family.roles == {"large": "large", "batch": "twin", "small": "compressed"}
    assert records["large"].table["right"].to_pylist() == [True, True, True, False, False]
    floor, small = found["tasks"][0]["pairs"]
    assert floor["parting"]["identical"] == 1.0
    assert floor["dimensions"]["prediction_error_jaccard"]["value"] == 1.0
    both = [(one.split(), other.split()) for one, other in zip(*said.values(), strict=True)]
    common = [len([*takewhile(lambda ab: ab[0] == ab[1], zip(x, y, strict=False))]) for x, y in both]
    assert small["parting"]["figures"]["shared_words"] == pytest.approx(np.mean(common))
    lengths = [[len(one.split()) for one in some] for some in said.values()]
    assert small["scores"]["words"]["gap"] == pytest.approx(np.mean(lengths[1]) - np.mean(lengths[0]))
    shown = small["parting"]["examples"]
    assert {one["id"] for one in shown} == {str(i) for i, (x, y) in enumerate(both) if x != y}
    for one in shown:
        i = int(one["id"])
        assert one["words"] == common[i]
        for side, words in zip(("large", "compressed"), both[i], strict=True):
            assert " ".join([one["shared"], one[side]]).split() == words
            assert one[f"{side}_right"] == (" ".join(words) in right[i])
    assert floor["parting"]["examples"] == []
    turned = [one for one in changed["small"] if one["kind"] == "right to wrong"]
    assert len(turned) == sum(said["small"][i] not in right[i] for i in range(3))
    assert found["prompt"]["scorer"] == "same"
    with pytest.raises(ValueError, match=r"a scorer must return True, False or a number from 0 to 1, got 7\.0"):
        written_family(pairs, questions, PROMPT, Decoding(6), scorer=lambda answer, given: 7)
    with pytest.raises(ValueError, match="scorer must be exact or number or f1 or contains, or a function"):
        written_family(pairs, questions, PROMPT, Decoding(6), scorer="bleu")


# The command.


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "WAITS", (0.01, 0.01))
    for seed, name in enumerate(("large", "small")):
        network, words = model(seed=seed)
        network.save_pretrained(tmp_path / name)
        words.save_pretrained(tmp_path / name)
    rows = [{"question": f"{text} {i}", "answer": ["good", "bad"]} for i, text in enumerate(TEXTS * 12)]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


@pytest.fixture
def served():
    made = [Server(*model(seed=seed), "ignores") for seed in (0, 1)]
    yield made
    for server in made:
        server.close()


def words(place, large, small, *more, out="out"):
    models = ["--large", str(large), "--compressed", f"small={small}", "--dataset", str(place / "questions.jsonl")]
    asked = ["--prompt", PROMPT.prompt, "--max-tokens", "6", "--scorer", "contains", "--out", str(place / out)]
    return ["--task", "generate", *models, *asked, *map(str, more)]


def test_a_server_writes_what_the_model_itself_writes(place, served, capsys):
    local = command.main(words(place, place / "large", place / "small", "--floor", "rounding"))
    assert local == 0, capsys.readouterr().err
    told = " ".join(capsys.readouterr().out.split())
    assert "small: contains" in told
    assert "of the texts are the same to the end; on average they share" in told
    urls = [server.url for server in served]
    assert command.main(words(place, *urls, "--floor", "batch", out="served")) == 0, capsys.readouterr().err
    for name in ("large", "small"):
        own, other = (
            pyarrow.parquet.read_table(place / out / "answers" / f"{name}.parquet") for out in ("out", "served")
        )
        assert own["answer"].to_pylist() == other["answer"].to_pylist()
    found = json.loads((place / "out" / "report.json").read_text())
    assert [pair["role"] for pair in found["pairs"]] == ["twin", "compressed"]
    assert found["pairs"][1]["dimensions"]["prediction_error_jaccard"]["verdict"]
    page = (place / "out" / "report.html").read_text()
    assert "Where the texts part" in page
    assert "words (" in page
    assert page.count('class="goes-on"') == 2 * len(found["tasks"][0]["pairs"][1]["parting"]["examples"]) > 0
    assert "What was written: scores, lengths, refusals" in page
    jsonschema.validate(found, SCHEMA)
    assert (place / "out" / "flips.csv").is_file()


def test_killed_in_the_middle_it_goes_on_from_there(place, served, capsys):
    large, small = served
    large.dies_after = 30
    assert command.main(words(place, large.url, small.url)) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "does not answer" in told
    assert "its answers so far are kept: give --resume to go on" in told
    large.dies_after = None
    assert command.main(words(place, large.url, small.url)) == 2
    assert "holds an audit already: give --resume" in capsys.readouterr().err
    before = len(large.asked)
    assert command.main(words(place, large.url, small.url, "--resume")) == 0, capsys.readouterr().err
    assert len(large.asked) - before <= 60 - 20
    for server in served:
        server.close()
        server.dies_after = 0
    assert sorted(path.name for path in (place / "out" / "answers").iterdir()) == ["large.parquet", "small.parquet"]


def test_chats_of_servers_are_filled_by_them(served):
    writer = open_writer(served[0].url, "large", Prompt(prompt="{text}", chat=True, system="Be short."), Decoding(6))
    asked = {}
    served[0].say = lambda path, question: (
        asked.update({path: question})
        or (
            200,
            {"choices": [{"message": {"content": " fine. "}, "finish_reason": "stop"}], "usage": {}},
        )
    )
    answer = dict(writer.write(["awful"]))[0]
    assert answer == writing.Answer("fine.", None, True)
    said = asked["/v1/chat/completions"]["messages"]
    assert said == [{"role": "system", "content": "Be short."}, {"role": "user", "content": "awful"}]


def test_transformers_serve_writes_by_chat_what_the_model_itself_writes():
    server = Server(*model(), "transformers")
    try:
        chat = open_writer(f"{server.url}#tiny", "large", Prompt(prompt=PROMPT.prompt, chat=True), Decoding(6))
        assert texts_of(chat) == texts_of(open_writer(model(), "large", PROMPT, Decoding(6)))
    finally:
        server.close()


def test_a_gguf_file_and_its_copy_in_fewer_bits(tmp_path, capsys):
    rows = [{"question": f"{i} + 1 =", "answer": i + 1} for i in range(12)]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    file = tiny_gguf(tmp_path / "tiny.gguf")
    more = ["--compressed", "derived:4bits", "--dataset", str(tmp_path / "questions.jsonl"), "--max-tokens", "4"]
    asked = ["--task", "generate", "--large", str(file), *more, "--shots", "2", "--out", str(tmp_path / "out")]
    assert command.main(asked) == 0, capsys.readouterr().err
    told = capsys.readouterr().out
    assert "the scorer number decides which answers are right" in told
    assert "2 questions are shown as solved examples and not judged" in told
    models = json.loads((tmp_path / "out" / "report.json").read_text())["models"]
    assert models["large"]["parameters"] == models["4bits"]["parameters"] > 0
    assert models["large"]["disk_megabytes"] == pytest.approx(file.stat().st_size / 1e6, abs=1e-3)
    assert [models[name]["simulated"] for name in ("large", "4bits")] == [False, True]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert '<section id="tasks" aria-labelledby="tasks-title">' in page  # on paper, too: no class "rest"


@pytest.mark.parametrize(
    "more, why",
    [
        (["--prompt", "Say it"], "--prompt must hold {text} once, and no other field, got 'Say it'"),
        (["--scorer", "bleu"], "--scorer must be 'exact' or 'number' or 'f1' or 'contains', got 'bleu'"),
        (["--floor", "wording"], "--floor must be 'rounding' or 'batch' or 'kernels', got 'wording'"),
        (["--floor", "batch", "--twin", "x"], "a twin is a floor already: give --twin or --floor, not both"),
        (["--label", "gold"], "has no column gold; its columns are question, answer"),
        (["--max-tokens", "0"], "--max-tokens must be a whole number of at least 1, got 0"),
        (["--temperature", "-1"], "--temperature must be a number above"),
        (["--chat"], "large's tokenizer has no chat template"),
        (["--compressed", "large=x"], "two of the models have the same name"),
    ],
)
def test_bad_input(place, capsys, more, why):
    assert command.main(words(place, place / "large", place / "small", *more)) == 2
    assert why in capsys.readouterr().err


def test_a_server_has_no_rounding(place, served, capsys):
    assert command.main(words(place, served[0].url, served[1].url, "--floor", "rounding")) == 2
    assert "--floor batch asks it once more, one question at a time" in capsys.readouterr().err
