"""The second tab: do both models decide for the same reasons? One sentence, both models' words side by side."""

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr
from limits import Kept, check_sentence, one_of, whole
from look import answered, bars, model_card, prediction, say, show
from models import Models, Pair
from permalink import Field, Part, choice, number
from work import remembered

from trusteq.dimensions import attribution_alignment
from trusteq.report.examples import marked_words

METHODS = {"lime": 100, "shap": 100, "occlusion": None}  # how many variations of the sentence are tried
FEATURES = 200  # words that an explanation keeps: all of them
EXAMPLES = (
    "There is not a dull minute in it.",
    "The costumes are gorgeous, but the story inside them is dead on arrival.",
    "Not bad at all for a bunch of first-timers with one camera and a borrowed goat.",
)


def why_tab(models: Models, large: Any, compressed: Any) -> Part:
    gr.HTML(
        show(
            "<p class='lead'>Two models can give the same answer for different reasons. Type a sentence. Words "
            "are left out here and there; the model relies on those whose absence changes its answer most.</p>"
        )
    )
    text = gr.Textbox(label="A sentence about a film", lines=2, max_lines=5, max_length=600)
    with gr.Row(elem_classes="examples"):
        examples = [gr.Button(example, size="sm") for example in EXAMPLES]
    with gr.Row():
        method = gr.Radio(
            list(METHODS),
            value="lime",
            label="How the words are found",
            min_width=280,
            info="LIME and SHAP try 100 variations of the sentence; occlusion leaves out one word at a time.",
        )
        top = gr.Slider(1, 10, value=5, step=1, label="How many words are compared", min_width=280)
    run = gr.Button("Explain both", variant="primary")
    page = gr.HTML(label="Why", elem_id="why")
    with gr.Accordion("The figures as JSON", open=False):
        figures = gr.JSON(label="figures", show_label=False)
    explain = answered(Why(models).answer, others=1)
    inputs, outputs = [large, compressed, text, method, top], [page, figures]
    settings: dict[str, Any] = {"concurrency_id": "sentence", "show_progress": "minimal"}
    asked = gr.State(False)
    gr.on([run.click, text.submit, asked.change], explain, inputs, outputs, api_name="why", **settings)
    for button, example in zip(examples, EXAMPLES, strict=True):
        filled = button.click(lambda example=example: example, None, text, api_visibility="private", queue=False)
        filled.then(explain, inputs, outputs, api_visibility="private", **settings)

    fields = {
        "text": Field(text, check_sentence),
        "method": Field(method, choice("method", METHODS)),
        "top": Field(top, number("top", 1, 10)),
    }
    return Part("why", fields, page, asked)


class Why:
    """The handler of the button."""

    def __init__(self, models: Models):
        self.models, self.kept = models, Kept()

    def answer(self, large: str, compressed: str, text: str, method: str, top: float) -> Iterator[Any]:
        """Explain one sentence for both models and compare the words. `method`: lime, shap or occlusion."""
        text, method, k = check_sentence(text), one_of("method", method, METHODS), whole("top", top, 1, 10)
        pair = yield from self.models.opened(large, compressed)
        question = (pair.names, text, method, k)
        page = say("Showing both models variations of the sentence …")
        yield (yield from remembered(self.kept, question, lambda: explained(pair, text, method, k), lambda: page))


def explained(pair: Pair, text: str, method: str, k: int) -> tuple[str, dict[str, Any]]:
    samples = METHODS[method]
    compressed, large = (rows[0] for rows in pair.ask([text]))
    options = attribution_alignment.AlignmentOptions(
        method=method, explain="large", k=k, features=FEATURES, samples=samples, details=True
    )
    result = attribution_alignment.compare_models([text], None, *pair.models(), options)
    (example,) = result.pop("details")["per_example"]
    found = {"compressed": example["explanations"][0], "large": example["large_explanations"][0]}
    rows = {"compressed": compressed, "large": large}
    names = dict(zip(found, pair.names, strict=True))
    sets = {kind: [word for word, _ in one[:k]] for kind, one in found.items()}
    cards = "".join(
        model_card(
            kind,
            names[kind],
            prediction(pair.classes, rows[kind])
            + marked(text, dict(found[kind]), kind, sets)
            + weights(found[kind][:k]),
        )
        for kind in found
    )
    subject = pair.classes[int(large.argmax())]
    page = f'<div class="two">{cards}</div>' + beneath(result, sets, k) + legend(subject, pair.large_name, k)
    answers = {kind: dict(zip(pair.classes, map(float, rows[kind]), strict=True)) for kind in rows}
    return show(page), {"answers": answers, "explained_class": subject, "words": found, "figures": result}


def marked(text: str, weight: dict[str, float], kind: str, sets: dict[str, list[str]]) -> str:
    """The sentence with this model's most important words marked, those of both models framed."""
    greatest = max((abs(weight[word]) for word in sets[kind]), default=0.0) or 1.0
    out = []
    for part, whose in marked_words(text, set(sets["compressed"]), set(sets["large"])):
        if whose not in (kind, "both"):
            out.append(escape(part))
            continue
        way = "against" if weight[part] < 0 else "for"
        level = 12 + round(38 * abs(weight[part]) / greatest)
        both = '<span class="unseen"> (in both)</span>' if whose == "both" else ""
        classes = f"{way} both" if whose == "both" else way
        sign = "\N{MINUS SIGN}" if way == "against" else "+"
        out.append(f'<mark class="{classes}" style="--level:{level}%">{escape(part)}<sup>{sign}</sup>{both}</mark>')
    return f'<p class="text">{"".join(out)}</p>'


def weights(found: list[list[Any]]) -> str:
    """The words by importance, hatched where they speak against the class."""
    greatest = max((abs(weight) for _, weight in found), default=0.0) or 1.0
    rows = [(word, abs(weight) / greatest, f"{weight:+.2g}".replace("-", "\N{MINUS SIGN}")) for word, weight in found]
    return bars(rows, against={word for word, weight in found if weight < 0})


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
        f"speaks for “{escape(subject)}”, which is what {escape(large)} says. <b>\N{MINUS SIGN}</b>, a dashed line "
        "and hatching: against it. A frame: the word counts for both models.</p>"
    )
