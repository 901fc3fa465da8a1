"""The fourth tab: is the compressed model as honest about its confidence? Reliability diagrams of both models."""

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr
from limits import Kept, one_of, whole
from look import answered, figure_picture, say, show, where_wished
from models import Models, Pair
from permalink import Field, Part, choice, number
from work import remembered

from trusteq.dimensions import calibration_gap
from trusteq.faces import widget

BINNINGS = {"quantile": "as many texts in each", "uniform": "of equal width"}
GLOSSARY = """<p class="soft"><b>ece</b>: how far sureness and being right are apart, on average over the bins;
<b>mce</b>: in the worst bin; <b>classwise_ece</b>: for every class by itself; <b>smooth_ece</b>: without bins.
<b>brier</b> and <b>nll</b>: how wrong the probabilities are overall. <b>overconfidence</b>: by how much its confidence
exceeds its accuracy. <b>label_loyalty</b> and <b>probability_loyalty</b>: how closely the two models
agree.</p>"""


def confidence_tab(models: Models, large: Any, compressed: Any, tab: Any) -> Part:
    gr.HTML(
        show(
            "<p class='lead'>A model that says “80 % sure” should be right eight times out of ten. The texts "
            "are put into bins by how sure the model is. In each bin the black line is how sure it is, the mark how "
            "often it is right: a mark below the line means that the model is surer than it should be.</p>"
        )
    )
    with gr.Row():
        bins = gr.Slider(2, 30, value=10, step=1, label="How many bins", min_width=280)
        binning = gr.Radio(
            list(BINNINGS),
            value="quantile",
            label="Kind of bins",
            min_width=280,
            info="quantile: as many texts in each; uniform: equal width",
        )
    page = gr.HTML(label="Confidence", elem_id="confidence")
    with gr.Accordion("The figures as JSON", open=False):
        figures = gr.JSON(label="figures", show_label=False)
    handler = answered(Confidence(models).answer, others=1)
    inputs, outputs = [large, compressed, bins, binning], [page, figures]
    settings: dict[str, Any] = {"concurrency_id": "sentence", "show_progress": "minimal"}
    changes = [bins.change, binning.change]
    gr.on(changes, handler, inputs, outputs, api_name="confidence", trigger_mode="always_last", **settings)
    tab.select(handler, inputs, outputs, api_visibility="private", **settings)
    # Other models are asked as long as somebody looks: the plots are most of what this page ever sends.
    seen = gr.Textbox(visible=False)
    looked = "(seen, ...rest) => [space.at('confidence') ? 'yes' : '', ...rest]"
    for change in (large.change, compressed.change):
        change(where_wished(handler, 2), [seen, *inputs], outputs, js=looked, api_visibility="private", **settings)

    fields = {"bins": Field(bins, number("bins", 2, 30)), "binning": Field(binning, choice("binning", BINNINGS))}
    return Part("confidence", fields)  # it answers whenever its tab is opened


class Confidence:
    """The handler of the sliders."""

    def __init__(self, models: Models):
        self.models, self.kept, self.answers = models, Kept(), Kept()

    def answer(self, large: str, compressed: str, bins: float, binning: str) -> Iterator[Any]:
        """Calibration of both models on the bundled reviews. `bins`: 2 to 30; `binning`: quantile or uniform."""
        count, kind = whole("bins", bins, 2, 30), one_of("binning", binning, BINNINGS)
        pair = yield from self.models.opened(large, compressed)
        question, page = (pair.names, count, kind), say("Asking both models …")
        yield (yield from remembered(self.kept, question, lambda: self.compare(pair, count, kind), lambda: page))

    def compare(self, pair: Pair, bins: int, binning: str) -> tuple[str, Any]:
        sample = self.models.sample
        compressed, large = self.answers.get(pair.names, lambda: pair.ask(sample["texts"]))
        numbers = references(sample["references"], pair.classes)
        calibration = calibration_gap.DIMENSION
        kinds = {pair.compressed_name: "compressed", pair.large_name: "large"}
        result = calibration.of(
            predictions=compressed,
            references=numbers,
            large_predictions=large,
            n_bins=bins,
            binning=binning,
            details=True,
        )
        page = f"<p>{pair.compressed_name} beside {pair.large_name} on the {len(numbers):,} bundled reviews.</p>"
        page += fewer(bins, {name: len(result["details"][kind]["rows"]) for name, kind in kinds.items()}, binning)
        plot = figure_picture(
            calibration.plot(result), "Reliability diagrams of both models; the table has the figures."
        )
        del result["details"]
        return show(page + plot + GLOSSARY + widget.figures_table(result)), result


def fewer(asked: int, drawn: dict[str, int], binning: str) -> str:
    """Why fewer bins are drawn than were asked for, where that is so.

    >>> fewer(10, {"tiny": 10, "large": 5}, "uniform")
    '<p class="soft">Of the 10 bins, 5 are drawn for large: the other bins hold no text.</p>'
    """
    counts = " and ".join(f"{count} are drawn for {escape(name)}" for name, count in drawn.items() if count < asked)
    why = "the other bins hold no text" if binning == "uniform" else "texts that are equally sure share a bin"
    return f'<p class="soft">Of the {asked} bins, {counts}: {why}.</p>' if counts else ""


def references(labels: list[str], classes: list[str]) -> list[int]:
    """The class numbers of the reviews' labels, in the models' order."""
    places = {name.strip().casefold(): number for number, name in enumerate(classes)}
    if missing := sorted({label for label in labels if label.casefold() not in places}):
        raise ValueError(
            f"the reviews are labelled {missing[0]!r}, but the classes of these models are {', '.join(classes)}"
        )
    return [places[label.casefold()] for label in labels]
