"""The third tab: what does it take to fool each model, and does what fools one fool the other?"""

from collections.abc import Iterator
from html import escape
from typing import Any

import asking
import gradio as gr
from limits import LANGUAGE_SECONDS, Kept, check_sentence, one_of
from look import answered, model_card, prediction, say, show, stops, where_wished
from models import Models, Pair
from permalink import Field, Part, choice
from why import check_sentences, second_sentence
from work import remembered

from trusteq.dimensions import attack_divergence
from trusteq.kinds.text import Text, parts_of
from trusteq.report.examples import changes

ATTACKS = {
    "textbugger": "letters swapped, dropped or replaced by look-alikes, or words replaced by similar ones",
    "deepwordbug": "misspellings of the words that matter most",
    "typos": "random slips of the keyboard, for contrast",
}
QUESTIONS = 300  # that an attack may put to a model
EXAMPLES = {  # with what is right, which both models say at the start
    "A warm, funny film that left the whole audience smiling.": "positive",
    "The plot wheezes along like a bus with a flat tyre.": "negative",
    "A generous, sunlit film about two brothers repairing a boat and, slowly, each other.": "positive",
}


def break_tab(models: Models, large: Any, compressed: Any, how: tuple[Any, Any]) -> Part:
    """`how` are the places for how a language model is asked, which stand under Why."""
    gr.HTML(
        show(
            "<p class='lead'>An attacker changes a sentence so little that a reader would hardly notice, until the "
            "model gives another answer. A robust model takes many tries, or withstands them all.</p><p class='soft'>A "
            "language model is asked with the prompt that stands under Why.</p>"
        )
    )
    text = gr.Textbox(label="A sentence about a film", lines=2, max_lines=5, max_length=600)
    with gr.Row(elem_classes="examples"):
        examples = [gr.Button(example, size="sm") for example in EXAMPLES]
    second = second_sentence()
    about = "; ".join(f"{name}: {what}" for name, what in ATTACKS.items())
    attack = gr.Radio(list(ATTACKS), value="textbugger", label="The attack", info=f"{about}.")
    with gr.Row():
        run = gr.Button("Try to fool both", variant="primary", scale=3)
        stop = gr.Button("Stop", scale=1)
    page = gr.HTML(label="Break it", elem_id="break")
    with gr.Accordion("The figures as JSON", open=False):
        figures = gr.JSON(label="figures", show_label=False)
    fool = answered(Break(models).answer, others=1)
    inputs, outputs = [large, compressed, text, attack, *how, second], [page, figures]
    settings: dict[str, Any] = {"concurrency_id": "sentence", "show_progress": "minimal"}
    asked = gr.State(False)
    pressed = gr.on([run.click, text.submit, second.submit], fool, inputs, outputs, api_name="break_it", **settings)
    run.click(None, js="() => space.expect('break')", api_visibility="private")
    link = where_wished(fool, len(outputs))
    events = [pressed, asked.change(link, [asked, *inputs], outputs, api_visibility="private", **settings)]
    for button, example in zip(examples, EXAMPLES, strict=True):
        filled = button.click(
            lambda example=example: (example, ""), None, [text, second], api_visibility="private", queue=False
        )
        events.append(filled.then(fool, inputs, outputs, api_visibility="private", **settings))
    stops(stop, page, events, "Stopped. “Try to fool both” starts again.")

    fields = {
        "attacked": Field(text, check_sentence),
        "attacked_second": Field(second, check_sentence),
        "attack": Field(attack, choice("attack", ATTACKS)),
    }
    return Part("break", fields, page, asked)


class Break:
    """The handler of the button."""

    def __init__(self, models: Models):
        self.models, self.kept = models, Kept()
        self.known = EXAMPLES | dict(zip(models.sample["texts"], models.sample["references"], strict=True))

    def answer(
        self,
        large: str,
        compressed: str,
        text: str,
        attack: str,
        prompt: str = asking.PROMPT,
        answers: str = asking.ANSWERS,
        second: str = "",
    ) -> Iterator[Any]:
        """Attack one sentence for both models.

        `attack`: textbugger, deepwordbug or typos; `prompt` and `answers`: how language models are asked; `second`: the
        second sentence, for models that read pairs.
        """
        sentences, attack = check_sentences(text, second), one_of("attack", attack, ATTACKS)
        pair = yield from self.models.opened(large, compressed, asking.read(prompt, answers))
        question = (pair.names, pair.asking, sentences, attack)
        label = self.known.get(sentences) if isinstance(sentences, str) else None
        page = say("Changing the sentence, a little at a time …")
        seconds = LANGUAGE_SECONDS if pair.asking else None
        yield (
            yield from remembered(
                self.kept, question, lambda: attacked(pair, sentences, attack, label), lambda: page, seconds=seconds
            )
        )


def attacked(pair: Pair, text: Text, attack: str, label: str | None) -> tuple[str, dict[str, Any]]:
    """`label` is the right answer where it is known; else the large model's answer is taken for right."""
    _, large = pair.ask([text])
    right = label if label in pair.classes else pair.classes[int(large[0].argmax())]
    options = attack_divergence.AttackOptions(
        attack=attack, max_queries=asking.QUESTIONS if pair.asking else QUESTIONS, details=True
    )
    references = [pair.classes.index(right)]
    result = attack_divergence.compare_models([text], references, *pair.models(), options)
    (example,) = result.pop("details")["per_example"]
    outcomes = {"compressed": example["outcome"], "large": example["large_outcome"]}
    names = dict(zip(outcomes, pair.names, strict=True))
    cards = "".join(model_card(kind, names[kind], card(pair, one)) for kind, one in outcomes.items())
    source = "the label of this review" if label == right else f"what {pair.large_name} says about the sentence"
    both = " and ".join(f"“{escape(part)}”" for part in parts_of(text))
    page = "" if isinstance(text, str) else f"<p class='soft'>A pair: {both}.</p>"
    page += f"<p>Counted as right: <b>{escape(right)}</b>, {escape(source)}.</p>"
    page += f'<div class="two">{cards}</div><h2>Does what fools one fool the other?</h2>{transfer(outcomes, names)}'
    return show(page), {"right": right, "outcomes": outcomes, "figures": result}


def card(pair: Pair, outcome: dict[str, Any]) -> str:
    """What became of the sentence for one model: its answer before, the changes, its answer after."""
    asked = f"{outcome['queries']:,} question{'s' * (outcome['queries'] != 1)}"
    if outcome["status"] == "skipped":
        return heading("Not attacked", "It is wrong from the start.") + prediction(pair.classes, outcome["scores"])
    if outcome["status"] == "withstood":
        found = f"{asked} did not change its answer." if outcome["changeable"] else "Nothing here may be changed."
        return heading("Withstood", found) + prediction(pair.classes, outcome["scores"])
    changed = f"{outcome['changed_words']} changed word{'s' * (outcome['changed_words'] != 1)}"
    sides = zip(parts_of(outcome["text"]), parts_of(outcome["adversarial"]), strict=True)
    text = "".join(f'<p class="text">{marked(changes(*both))}</p>' for both in sides)
    before, after = (prediction(pair.classes, outcome[key]) for key in ("scores", "adversarial_scores"))
    page = heading("Fooled", f"It took {asked} and {changed}.") + text
    return f"{page}<small>Before</small>{before}<small>After</small>{after}"


def marked(parts: list[tuple[str, str]]) -> str:
    return "".join(f"<{mark}>{escape(part)}</{mark}>" if mark else escape(part) for part, mark in parts)


def heading(word: str, sentence: str) -> str:
    return f'<p class="says"><b>{word}.</b> {escape(sentence)}</p>'


def transfer(outcomes: dict[str, dict[str, Any]], names: dict[str, str]) -> str:
    lines = []
    for kind, other in (("compressed", "large"), ("large", "compressed")):
        if outcomes[kind]["status"] == "skipped":
            lines.append(f"{names[kind]} was wrong from the start, so there was nothing to try.")
        elif outcomes[kind]["status"] == "withstood":
            lines.append(f"{names[kind]} withstood what was tried on it.")
        elif outcomes[kind]["transfers"] is None:
            lines.append(f"{names[other]} was wrong before anything was changed, so the question does not arise.")
        else:
            also = "also fools" if outcomes[kind]["transfers"] else "does not fool"
            lines.append(f"The text that fools {names[kind]} {also} {names[other]}.")
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
