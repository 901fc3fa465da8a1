"""The second tab: do both models decide for the same reasons? One sentence, both models' words side by side."""

import re
from collections.abc import Generator, Iterator
from html import escape
from typing import Any, NamedTuple

import asking
import gradio as gr
from limits import LANGUAGE_SECONDS, PROMPT_CHARACTERS, Kept, check_sentence, one_of, whole
from look import answered, bars, model_card, prediction, say, show, stops, where_wished
from models import Models, Pair
from permalink import Field, Part, choice, number
from work import remembered

from trusteq.dimensions import attribution_alignment
from trusteq.kinds.text import Text, parts_of
from trusteq.report.examples import marked_words

METHODS = {"lime": 100, "shap": 100, "occlusion": None}  # how many variations of the sentence are tried
FIRST = {"shap": 40}  # the same, for a first look while somebody types
EXPLAIN = "Explain both"
WORKING = "Showing both models variations of the sentence …"
FEATURES = 200  # words that an explanation keeps: all of them
MOST = 10  # words that are compared
SIZE = re.compile(r"_at_(\d+)(?:_(?:low|high))?$")  # of a figure that is about so many words
EXAMPLES = (
    "There is not a dull minute in it.",
    "The costumes are gorgeous, but the story inside them is dead on arrival.",
    "Not bad at all for a bunch of first-timers with one camera and a borrowed goat.",
)


def why_tab(models: Models, large: Any, compressed: Any) -> tuple[Part, tuple[Any, Any]]:
    """The tab, and its places for how a language model is asked."""
    gr.HTML(
        show(
            "<p class='lead'>Two models can give the same answer for different reasons. Type a sentence. Words "
            "are left out here and there; the model relies on those whose absence changes its answer most.</p>"
        )
    )
    text = gr.Textbox(label="A sentence about a film", lines=2, max_lines=5, max_length=600)
    with gr.Row(elem_classes="examples"):
        examples = [gr.Button(example, size="sm") for example in EXAMPLES]
    second = second_sentence()
    how = asking_controls()
    with gr.Row():
        method = gr.Radio(
            list(METHODS),
            value="lime",
            label="How the words are found",
            min_width=280,
            info="LIME and SHAP try 100 variations of the sentence; occlusion leaves out one word at a time.",
        )
        top = gr.Slider(1, MOST, value=5, step=1, label="How many words are compared", min_width=280)
    with gr.Row():
        run = gr.Button(EXPLAIN, variant="primary", scale=3)
        stop = gr.Button("Stop", scale=1)
    page = gr.HTML(label="Why", elem_id="why")
    with gr.Accordion("The figures as JSON", open=False):
        figures = gr.JSON(label="figures", show_label=False)
    handler = Why(models)
    explain = answered(handler.answer, others=1, latest="why")
    inputs, outputs = [large, compressed, text, method, top, second, *how], [page, figures]
    settings: dict[str, Any] = {"concurrency_id": "sentence", "show_progress": "minimal"}
    asked = gr.State(False)
    submitted = [run.click, *(one.submit for one in (text, second, *how))]
    events = [gr.on(submitted, explain, inputs, outputs, api_name="why", **settings)]
    run.click(None, js="() => space.expect('why')", api_visibility="private")
    link = where_wished(explain, len(outputs))
    events += [asked.change(link, [asked, *inputs], outputs, api_visibility="private", **settings)]
    # As one types, pastes or presses an example: every change asks anew; of those that come meanwhile, the last.
    for button, example in zip(examples, EXAMPLES, strict=True):
        button.click(lambda example=example: example, None, text, api_visibility="private", queue=False)
    typed = answered(handler.typed, others=1, latest="why")
    settings |= {"show_progress": "hidden", "trigger_mode": "always_last"}
    changes = [text.change, second.change, method.change, top.change]
    events += [gr.on(changes, typed, inputs, outputs, api_visibility="private", **settings)]
    stops(stop, page, events, f"Stopped. “{EXPLAIN}” starts again.")

    fields = {
        "text": Field(text, check_sentence),
        "second": Field(second, check_sentence),
        "method": Field(method, choice("method", METHODS)),
        "top": Field(top, number("top", 1, MOST)),
        **asking_fields(*how),
    }
    return Part("why", fields, page, asked), how


def second_sentence() -> Any:
    """The place for it, which Why and Break it have each of their own."""
    with gr.Accordion("A second sentence, for models that read pairs", open=False):
        return gr.Textbox(
            value="",
            label="The second sentence",
            info="Models made for pairs (a question and its answer, two paraphrases) read both.",
            max_lines=5,
            max_length=600,
        )


def check_sentences(text: Any, second: Any) -> Text:
    """One sentence, or a pair of them where there is a second."""
    return (check_sentence(text), check_sentence(second)) if second and second.strip() else check_sentence(text)


def asking_controls() -> tuple[Any, Any]:
    """The places for a prompt and its answers, which Why and Break it share."""
    with gr.Accordion("For language models: a prompt and its answers", open=False):
        prompt = gr.Textbox(asking.PROMPT, label="The prompt", lines=2, max_lines=8, max_length=PROMPT_CHARACTERS)
        answers = gr.Textbox(
            asking.ANSWERS, label="What may follow it", info="Answers, or label: answer, commas between."
        )
        gr.HTML(
            show(
                "<p class='soft'>Choose language models from the Hub above, of up to 600 MB, such as "
                "HuggingFaceTB/SmolLM2-135M. {text} is where the sentence goes. A model says how probable each answer "
                f"is. It is slow: it is shown {asking.SAMPLES} variations of a sentence instead of 100, an attack may "
                f"ask {asking.QUESTIONS} questions instead of 300, and after a minute it ends.</p>"
            )
        )
    return prompt, answers


def asking_fields(prompt: Any, answers: Any) -> dict[str, Field]:
    """What the address says of them."""

    def as_written(text: str) -> str:
        asking.check_answers(text)
        return text

    return {"prompt": Field(prompt, asking.check_prompt), "answers": Field(answers, as_written)}


class Why:
    """The handlers of the button, and of what is typed."""

    def __init__(self, models: Models):
        self.models, self.kept = models, Kept()

    def answer(
        self,
        large: str,
        compressed: str,
        text: str,
        method: str,
        top: float,
        second: str = "",
        prompt: str = asking.PROMPT,
        answers: str = asking.ANSWERS,
    ) -> Iterator[Any]:
        """Explain one sentence for both models and compare the words.

        `method`: lime, shap or occlusion; `second`: the second sentence, for models that read pairs; `prompt` and
        `answers`: how language models are asked.
        """
        yield from self.explain(large, compressed, text, method, top, second, prompt, answers)

    def typed(
        self, large: str, compressed: str, text: str, method: str, top: float, second: str, prompt: str, answers: str
    ) -> Iterator[Any]:
        """The same as long as there is a word to explain; before that nothing, rather than a complaint. What takes long
        is seen at once from fewer variations, and then from all."""
        if not any(character.isalnum() for character in text or ""):
            yield ""
            return
        asked = (large, compressed, text, method, top, second, prompt, answers)
        first = (yield from self.explain(*asked, samples=FIRST[method])) if method in FIRST else None
        yield from self.explain(*asked, meanwhile=first)

    def explain(
        self,
        large: str,
        compressed: str,
        text: str,
        method: str,
        top: float,
        second: str,
        prompt: str,
        answers: str,
        samples: int | None = None,
        meanwhile: Any = None,
    ) -> Generator[Any, None, Any]:
        """Yields what the page shows while it works, which is `meanwhile` if that is given; then the answer."""
        sentences = check_sentences(text, second)
        method, k = one_of("method", method, METHODS), whole("top", top, 1, MOST)
        pair = yield from self.models.opened(large, compressed, asking.read(prompt, answers))
        count = samples or (METHODS[method] and (asking.SAMPLES if pair.asking else METHODS[method]))
        page, seconds = meanwhile or say(WORKING), LANGUAGE_SECONDS if pair.asking else None
        found = yield from remembered(
            self.kept,
            (pair.names, pair.asking, sentences, method, count),
            lambda: explained(pair, sentences, method, count),
            lambda: page,
            seconds=seconds,
        )
        shown, figures = compared(pair, sentences, found, k)
        if samples:
            shown = say(f"A first look, from {samples} variations of the sentence …") + shown
        yield shown, figures
        return shown, figures


class Found(NamedTuple):
    """What both models say, the words of both by importance, and the figures for every number of words."""

    rows: dict[str, Any]
    words: dict[str, list[list[Any]]]
    figures: dict[str, float]


def explained(pair: Pair, text: Text, method: str, samples: int | None) -> Found:
    compressed, large = (rows[0] for rows in pair.ask([text]))
    options = attribution_alignment.AlignmentOptions(
        method=method,
        explain="large",
        k=list(range(1, MOST + 1)),
        features=FEATURES,
        samples=samples,
        details=True,
    )
    result = attribution_alignment.compare_models([text], None, *pair.models(), options)
    (example,) = result.pop("details")["per_example"]
    words = {"compressed": example["explanations"][0], "large": example["large_explanations"][0]}
    return Found({"compressed": compressed, "large": large}, words, result)


def compared(pair: Pair, text: Text, found: Found, k: int) -> tuple[str, dict[str, Any]]:
    """The page for the k most important words, and its figures."""
    figures = {
        key: value for key, value in found.figures.items() if (size := SIZE.search(key)) is None or int(size[1]) == k
    }
    names = dict(zip(found.words, pair.names, strict=True))
    sets = {kind: [word for word, _ in one[:k]] for kind, one in found.words.items()}
    cards = "".join(
        model_card(
            kind,
            names[kind],
            prediction(pair.classes, found.rows[kind])
            + "".join(marked(part, dict(words), kind, sets) for part in parts_of(text))
            + weights(words[:k]),
        )
        for kind, words in found.words.items()
    )
    subject, own = (pair.classes[int(found.rows[kind].argmax())] for kind in ("large", "compressed"))
    parted = "" if own == subject else f"<p>They answer differently: {escape(own)} and {escape(subject)}.</p>"
    page = f'<div class="two">{cards}</div>{parted}' + beneath(figures, sets, k) + legend(subject, pair.large_name, k)
    answers = {kind: dict(zip(pair.classes, map(float, row), strict=True)) for kind, row in found.rows.items()}
    return show(page), {"answers": answers, "explained_class": subject, "words": found.words, "figures": figures}


def marked(text: str, weight: dict[str, float], kind: str, sets: dict[str, list[str]]) -> str:
    """The sentence with this model's most important words marked, those of both models framed."""
    greatest = max((abs(weight[word]) for word in sets[kind]), default=0.0) or 1.0
    out = []
    for part, whose in marked_words(text, set(sets["compressed"]), set(sets["large"])):
        if not whose:
            out.append(escape(part))
            continue
        word = f'data-word="{escape(part)}"'  # pointing at it lights it wherever it stands
        if whose not in (kind, "both"):
            out.append(f"<span {word}>{escape(part)}</span>")
            continue
        way = "against" if weight[part] < 0 else "for"
        level = 12 + round(38 * abs(weight[part]) / greatest)
        both = '<span class="unseen"> (in both)</span>' if whose == "both" else ""
        classes = f"{way} both" if whose == "both" else way
        sign = "\N{MINUS SIGN}" if way == "against" else "+"
        out.append(
            f'<mark class="{classes}" {word} style="--level:{level}%">{escape(part)}<sup>{sign}</sup>{both}</mark>'
        )
    return f'<p class="text">{"".join(out)}</p>'


def weights(found: list[list[Any]]) -> str:
    """The words by importance, hatched where they speak against the class."""
    greatest = max((abs(weight) for _, weight in found), default=0.0) or 1.0
    rows = [(word, abs(weight) / greatest, f"{weight:+.2g}".replace("-", "\N{MINUS SIGN}")) for word, weight in found]
    return bars(rows, against={word for word, weight in found if weight < 0}, words=True)


def beneath(result: dict[str, float], sets: dict[str, list[str]], k: int) -> str:
    value, chance = result[f"jaccard_at_{k}"], result[f"expected_jaccard_at_{k}"]
    shared = len(set(sets["compressed"]) & set(sets["large"]))
    either = len(set(sets["compressed"]) | set(sets["large"]))
    return (
        f'<p class="headline"><b>{100 * value:.0f} %</b> <span>of the important words are shared</span></p>'
        f"<p>{shared} of the {either} words that are among the {k} most important of either model are among those of "
        f"both (Jaccard {value:.2f}). Picked at random it would be about {100 * chance:.0f} %.</p>"
    )


def legend(subject: str, large: str, k: int) -> str:
    return (
        f'<p class="legend">Marked: the {k} most important words of each model. <b>+</b> and a solid line: the word '
        f"speaks for “{escape(subject)}”, which is what {escape(large)} says. <b>\N{MINUS SIGN}</b> and hatching: "
        "against it. A frame: the word counts for both models.</p>"
    )
