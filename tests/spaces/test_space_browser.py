"""The Space as a visitor meets it: in Chromium, with mouse or keys alone, on a desk or a phone, in light and dark."""

import contextlib
import re
import time

import pytest
import slow_network
import work
from accessible import MISSING, complaints
from served_space import CLASSES, metric
from visitors import DESK, PHONE, keep_screenshot, open_tab

from trusteq.audit.family import open_models
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.wording import percent

playwright = pytest.importorskip("playwright.sync_api", reason="the extra `test` is not installed")
TABS = ("Verdict", "Why", "Break it", "Confidence", "Your own predictions", "Your logs", "About")
TEXT = "the film was very good and the acting was great"


@pytest.fixture(scope="module")
def models(space):
    family = space.family
    return open_models(family["large"], family["compressed"], family["twin"])


# Every tab, as a visitor uses it.


def test_verdict(visit, space, tmp_path):
    page = visit()
    page.get_by_role("button", name="Compare the two models").click()
    page.locator("#verdict table").wait_for()
    shown = page.locator("#verdict").inner_text()
    _, figures, *_ = space.ask("verdict", "large", "distilled", "quick", "")
    for name, dimension in DIMENSIONS.items():
        assert dimension.question in shown
        code = figures[f"distilled/{name}/verdict"]
        row = page.locator("#verdict tbody tr", has_text=dimension.question)
        assert {1: "equivalent", 0: "inconclusive", -1: "different"}[code] in row.inner_text()
    jaccard = figures["distilled/prediction_error_jaccard/jaccard"]
    assert f"{percent(jaccard)} shared" in page.locator("#verdict tbody tr").first.inner_text()
    assert page.locator("#verdict svg.wide").is_visible()
    assert not page.locator("#verdict svg.narrow").is_visible()
    assert page.locator("#verdict svg.wide .mark").count() == len(DIMENSIONS)
    page.locator("#verdict summary").first.click()
    page.locator("#verdict details img").first.wait_for(state="visible")
    for kind, start in (("HTML", "<!"), ("JSON", "{")):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download the report ({kind})").click()
        download.value.save_as(tmp_path / kind)
        assert (tmp_path / kind).read_text(encoding="utf-8").startswith(start)
    here = space.url.replace("127.0.0.1", "localhost")
    assert f'"space":"{here}"' in (tmp_path / "HTML").read_text(encoding="utf-8")  # its rows open here


def test_verdict_on_an_uploaded_table_of_another_model(visit, tmp_path):
    page = visit()
    page.get_by_label("The compressed model").click()
    page.get_by_role("option", name="tiny").click()
    page.get_by_text("Texts of your own").click()
    table = tmp_path / "texts.csv"
    table.write_text("text,label\n" + "".join(f"a good film {i},{CLASSES[i % 2]}\n" for i in range(14)))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a CSV file").first.click()
    chooser.value.set_files(table)
    page.wait_for_function("document.querySelector('textarea[placeholder^=text]').value.includes('a good film 13')")
    page.get_by_role("button", name="Compare the two models").click()
    page.locator("#verdict .stages").wait_for()  # it says what it is doing: nobody asked this before
    page.locator("#verdict table").wait_for()
    assert "on 14 texts" in page.locator("#verdict").inner_text()
    assert "Can tiny stand in" in page.locator("#verdict").inner_text()


def test_why(visit, models):
    page = visit()
    open_tab(page, "Why")
    page.get_by_label("A sentence about a film").first.fill(TEXT)
    page.get_by_label("occlusion").check()
    page.get_by_role("button", name="Explain both").click()
    page.locator("#why .headline").wait_for()
    result = metric("attribution_alignment").compute(
        texts=[TEXT],
        model=models["distilled"],
        large_model=models["large"],
        method="occlusion",
        explain="large",
        k=5,
    )
    assert f"{100 * result['jaccard_at_5']:.0f} %" in page.locator("#why .headline").inner_text()
    for name, kind in (("distilled", "compressed"), ("large", "large")):
        card = page.locator(f"#why .of-{kind}")
        row = models[name]([TEXT])[0]
        assert f"says {CLASSES[int(row.argmax())]}" in card.inner_text()
        assert card.locator("mark").count() >= 5
        signs = {mark.strip()[-1] for mark in card.locator("mark sup").all_inner_texts()}
        assert signs <= {"+", "\N{MINUS SIGN}"}
    # A dash is no sign of anything, here as in the report; and on paper every bar is there.
    assert page.locator("#why *").evaluate_all(DASHED) == 0
    page.emulate_media(media="print")
    inks = page.locator("#why .bar span").evaluate_all("all => all.map(one => getComputedStyle(one).printColorAdjust)")
    assert set(inks) == {"exact"}
    both = [set(page.locator(f"#why .of-{kind} mark.both").evaluate_all(WORDS)) for kind in ("compressed", "large")]
    assert both[0] == both[1]


DASHED = """all => all.map((one) => getComputedStyle(one)).filter((style) => [style.borderStyle, style.outlineStyle,
  style.textDecorationStyle].some((kind) => /dashed|dotted/.test(kind))).length"""


def test_why_answers_as_one_types_or_changes_the_method(visit, space):
    page = visit()
    open_tab(page, "Why")
    box = page.get_by_label("A sentence about a film").first
    box.press_sequentially("a very good film", delay=20)
    playwright.expect(page.locator("#why .of-large .text")).to_contain_text("film")
    for method, top in (("occlusion", 5), ("shap", 5), ("shap", 3)):
        if top != 5:
            page.get_by_role("spinbutton").filter(visible=True).fill(str(top))
        page.get_by_label(method).check()
        _, found = space.ask("why", "large", "distilled", "a very good film", method, top)
        value = found["words"]["large"][0][1]
        written = f"{value:+.2g}".replace("-", "\N{MINUS SIGN}")
        playwright.expect(page.locator("#why .of-large .bars").last).to_contain_text(written)
        playwright.expect(page.locator("#why .legend")).to_contain_text(f"the {top} most important")
    box.fill("")
    playwright.expect(page.locator("#why")).to_be_empty()  # no complaint as long as nothing was asked
    box.fill("another plain film")
    box.press("Enter")
    playwright.expect(page.locator("#why .of-large .text")).to_contain_text("another")


def test_pointing_at_a_word_lights_it_in_both_cards(visit):
    page = visit()
    open_tab(page, "Why")
    page.locator(".examples button:visible").first.click()
    page.locator("#why .headline").wait_for()
    word = page.locator("#why .of-compressed mark").first
    word.hover()
    text = word.get_attribute("data-word")
    for kind in ("compressed", "large"):
        lit = page.locator(f"#why .of-{kind} .text .lit")
        playwright.expect(lit.first).to_be_visible()
        assert {one.get_attribute("data-word") for one in lit.all()} == {text}
    assert page.locator("#why .bars .lit").count() >= 1
    page.get_by_role("button", name="Explain both").hover()
    playwright.expect(page.locator("#why .lit")).to_have_count(0)


def test_who_waits_sees_the_place_in_line_and_who_stops_is_told(visit, space):
    """The audit of another visitor is going on, as far as anybody can see: it holds the place."""
    page = visit()
    compare, verdict = page.get_by_role("button", name="Compare the two models"), page.locator("#verdict")
    with work.time_limit(600, None), work.turn(work.AUDITS):
        page.get_by_label("thorough").check()
        compare.click()
        place = verdict.locator(".place")
        playwright.expect(place).to_have_text(
            "You are number 1 in line: 1 audit from another visitor comes before yours."
        )
        assert place.bounding_box()["height"] >= 20
        page.get_by_role("button", name="Stop").click()
        playwright.expect(verdict).to_contain_text("Stopped. What was done is kept")
        go_on = page.get_by_role("button", name="Go on with the comparison")
        playwright.expect(go_on).to_be_visible()
        assert len(work.AUDITS.waiting) <= 2
        until_left(work.AUDITS)
    page.get_by_label("quick").check()
    playwright.expect(go_on).to_be_hidden()  # that would be another comparison
    compare.click()
    verdict.locator("table").first.wait_for()
    page.get_by_role("button", name="Stop").click()
    page.wait_for_timeout(500)
    assert verdict.locator("table").count()  # nothing goes on: what was found stays


@pytest.mark.parametrize(
    ("tab", "ask", "place"), [("Why", "Explain both", "#why"), ("Break it", "Try to fool both", "#break")]
)
def test_a_question_about_a_sentence_can_be_stopped(visit, tab, ask, place):
    page = visit()
    open_tab(page, tab)
    with contextlib.ExitStack() as others:
        others.enter_context(work.time_limit(600, None))
        for _ in range(work.SENTENCES.places):
            others.enter_context(work.turn(work.SENTENCES, 600))
        page.get_by_role("textbox", name="A sentence about a film").filter(visible=True).fill(f"{TEXT}, {tab}")
        page.get_by_role("button", name=ask).click()
        playwright.expect(page.locator(f"{place} .place")).to_contain_text("You are number")
        page.get_by_role("button", name="Stop").filter(visible=True).click()
        playwright.expect(page.locator(place)).to_contain_text(f"Stopped. “{ask}” starts again.")
    page.wait_for_timeout(700)
    assert "Stopped" in page.locator(place).inner_text()  # nothing comes after it
    page.get_by_role("button", name=ask).click()
    page.locator(f"{place} .two").wait_for()


def until_left(line):
    for _ in range(100):
        if len(line.waiting) == 1:
            return
        time.sleep(0.1)
    raise AssertionError("who stopped still stands in line")


def test_the_page_is_small_enough_for_a_slow_network(browser, space):
    """At 1.5 Mbit/s what it takes to press the first button comes in 4 seconds, so that it is usable in 5."""
    context = browser.new_context()
    page, sizes = context.new_page(), []
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(space.url)
    page.get_by_role("button", name="Compare the two models").wait_for()
    context.close()
    assert len(sizes) > 10
    assert 8 * sum(sizes) / 1.5e6 < 4


def test_the_page_is_usable_soon_over_a_slow_network(space, browser):
    """At 1.5 Mbit/s. What these tests' shared processors take is left out: it is what a fast network takes."""
    slow_network.visit(browser, space.url, None)
    fast, slow = (slow_network.visit(browser, space.url, speed) for speed in (None, 1.5))
    assert fast[1] < slow[1] < fast[1] + slow_network.LIMIT


def test_nothing_large_is_sent_for_a_tab_that_nobody_looks_at(visit, browser):
    page = visit()
    network, sizes = page.context.new_cdp_session(page), []
    network.send("Network.enable")
    network.on("Network.dataReceived", lambda event: sizes.append(event["encodedDataLength"]))
    page.locator("#opening tr", has_text="quantized").locator(".word").click()
    playwright.expect(page.get_by_label("The compressed model")).to_have_value("quantized")
    page.wait_for_timeout(1500)
    assert sum(sizes) < 50_000
    open_tab(page, "Confidence")
    page.locator("#confidence", has_text="quantized beside large").wait_for()
    page.get_by_label("The compressed model").click()
    page.get_by_role("option", name="tiny").click()
    page.locator("#confidence", has_text="tiny beside large").wait_for()  # here somebody looks


WORDS = "marks => marks.map(mark => mark.firstChild.textContent)"


def test_break_it(visit, models):
    page = visit()
    open_tab(page, "Break it")
    page.get_by_role("textbox", name="A sentence about a film").last.fill(TEXT)
    page.get_by_label("deepwordbug").check()
    page.get_by_role("button", name="Try to fool both").click()
    page.locator("#break .two").wait_for()
    result = metric("attack_divergence").compute(
        texts=[TEXT],
        references=[int(models["large"]([TEXT])[0].argmax())],
        model=models["distilled"],
        large_model=models["large"],
        attack="deepwordbug",
        max_queries=300,
        details=True,
    )
    (example,) = result["details"]["per_example"]
    for kind, key in (("compressed", "outcome"), ("large", "large_outcome")):
        card, outcome = page.locator(f"#break .of-{kind}").inner_text(), example[key]
        assert {"broken": "Fooled.", "withstood": "Withstood.", "skipped": "Not attacked."}[outcome["status"]] in card
        if outcome["status"] != "skipped":
            assert f"{outcome['queries']} question" in card
        if outcome["status"] == "broken":
            said = page.locator(f"#break .of-{kind} .text").evaluate(
                "text => [...text.childNodes].filter(one => one.tagName !== 'DEL').map(one => one.textContent).join('')"
            )
            assert said == outcome["adversarial"]
    assert "Does what fools one fool the other?" in page.locator("#break").inner_text()


def test_confidence_follows_the_sliders(visit, space, models):
    page = visit()
    open_tab(page, "Confidence")
    page.locator("#confidence img").wait_for()

    def ece(bins, binning):
        texts, labels = space.family["texts"], space.family["references"]
        result = metric("calibration_gap").compute(
            predictions=models["distilled"](texts),
            references=[CLASSES.index(label) for label in labels],
            large_predictions=models["large"](texts),
            n_bins=bins,
            binning=binning,
        )
        return f"{result['mce']:.3f}"

    def shown(value):
        page.locator("#confidence tr", has_text=re.compile("^mce")).get_by_text(value, exact=True).first.wait_for()

    shown(ece(10, "quantile"))
    page.get_by_label("uniform").check()
    shown(ece(10, "uniform"))
    slider = page.get_by_role("slider", name=re.compile("How many bins")).or_(page.locator("input[type=range]:visible"))
    slider.first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    shown(ece(5, "uniform"))


def test_your_own_predictions(visit, tmp_path):
    page = visit()
    open_tab(page, "Your own predictions")
    rows = [(i % 2, 0.3 + 0.1 * (i % 5), 0.2 + 0.15 * (i % 4)) for i in range(20)]
    lines = [f"{gold},{1 - p:.2f},{p:.2f},{1 - q:.2f},{q:.2f}" for gold, p, q in rows]
    header = "references,predictions_0,predictions_1,large_predictions_0,large_predictions_1"
    page.get_by_label("Table").first.fill("\n".join([header, *lines]))
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#table img").first.wait_for()
    columns = list(zip(*([float(cell) for cell in line.split(",")] for line in lines), strict=True))
    result = metric("prediction_error_jaccard").compute(
        predictions=list(zip(columns[1], columns[2], strict=True)),
        references=[int(gold) for gold in columns[0]],
        large_predictions=list(zip(columns[3], columns[4], strict=True)),
    )
    row = page.locator("#table tr", has_text=re.compile("^jaccard")).inner_text()
    assert f"{result['jaccard']:.3f}" in row
    page.locator(".cm-content", has_text="evaluate.load").wait_for()
    page.get_by_role("button", name="Try an example").click()
    page.locator("#table", has_text=DIMENSIONS["ood_divergence"].question).wait_for()


def test_about(visit):
    page = visit()
    open_tab(page, "About")
    page.get_by_text("How to cite").wait_for()
    shown = page.get_by_role("tabpanel").filter(visible=True).inner_text()
    for part in ("arXiv 2407.13174", "2508.13533", "87 %", "What is measured here", "Where it ends", "How to cite"):
        assert part in shown.replace("\n", " ")


@pytest.mark.parametrize(("tab", "output"), [("Why", "#why"), ("Break it", "#break")])
def test_every_example_works_at_a_click(visit, tab, output):
    page = visit()
    open_tab(page, tab)
    buttons = page.locator(".examples button:visible")
    playwright.expect(buttons).to_have_count(3)
    shown = page.locator(output).inner_text()
    for button in buttons.all():
        text = button.inner_text()
        button.click()
        playwright.expect(page.locator("textarea:visible").first).to_have_value(text)
        page.wait_for_function(CHANGED, arg=[output, shown])
        shown = page.locator(output).inner_text()


# There is a result, and it is not the one that stood there before.
CHANGED = """([where, before]) => { const one = document.querySelector(where);
return one.querySelector('.headline, .two') && one.innerText !== before }"""


def test_mistakes_are_answered_with_a_sentence(visit):
    page = visit()
    open_tab(page, "Why")
    page.get_by_role("button", name="Explain both").click()
    page.get_by_role("alert").get_by_text("there is no sentence yet").wait_for()
    model = page.get_by_label("The compressed model")
    model.fill("owner/some-model")
    model.press("Enter")
    page.get_by_label("A sentence about a film").first.fill(TEXT)
    page.get_by_role("button", name="Explain both").click()
    page.get_by_role("alert").get_by_text("the Hugging Face Hub cannot be reached from here").wait_for()


# Whoever visits, and whatever with.


EVIL = "<img src=x onerror=\"alert('a')\"> a good ${alert('b')} film {{alert('c')}} <script>alert('d')</script>"


def test_what_was_typed_is_shown_and_never_run(visit):
    page = visit()
    open_tab(page, "Why")
    page.get_by_label("A sentence about a film").first.fill(EVIL)
    page.get_by_role("button", name="Explain both").click()
    page.locator("#why .headline").wait_for()
    text = page.locator("#why .of-large .text").evaluate("one => { one.querySelectorAll('sup, .unseen').forEach(sup => "
    "sup.remove()); return one.textContent }")  # fmt: skip
    assert text == EVIL
    open_tab(page, "Your own predictions")
    page.get_by_label("Table").first.fill(
        f"references,predictions,large_predictions,{EVIL.replace(',', '')}\n1,1,1,1\n1,1,0,2"
    )
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#table img").first.wait_for()
    assert page.locator("#why img, #table img:not([src^=data])").count() == 0


def test_everything_is_reached_with_keys_alone(visit):
    page = visit()

    def go_to(name, kinds=("BUTTON", "INPUT", "TEXTAREA"), key="Tab"):
        """Press Tab until something of that name has the focus, and see that the focus is shown."""
        for _ in range(80):
            page.keyboard.press(key)
            found = page.evaluate(
                """() => { const one = document.activeElement, style = getComputedStyle(one);
                return [one.tagName, one.getAttribute('aria-label') || one.innerText || one.placeholder || '',
                        one.closest('label, fieldset, .block')?.innerText || '',
                        style.outlineStyle !== 'none' || style.boxShadow !== 'none'] }"""
            )
            if found[0] in kinds and (name in found[1] or name in found[2]):
                assert found[3], f"{name} has the focus and does not show it"
                return
        raise AssertionError(f"no key leads to {name}")

    go_to("The compressed model")
    page.keyboard.type("tiny")
    page.keyboard.press("Enter")
    go_to("Why", kinds=("BUTTON",))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Explain both").wait_for()
    go_to("A sentence about a film", kinds=("TEXTAREA",))
    page.keyboard.type("a good film")
    go_to("occlusion", kinds=("INPUT",))
    page.keyboard.press("Space")
    playwright.expect(page.get_by_label("occlusion")).to_be_checked()
    go_to("Explain both", kinds=("BUTTON",))
    page.keyboard.press("Enter")
    page.locator("#why .headline").wait_for()
    assert page.locator("#why .of-compressed h2").inner_text().startswith("tiny")
    go_to("Your own predictions", kinds=("BUTTON",), key="Shift+Tab")
    page.keyboard.press("Enter")
    go_to("Try an example", kinds=("BUTTON",))
    page.keyboard.press("Enter")
    page.locator("#table img").first.wait_for()
    go_to("Upload a CSV file", kinds=("BUTTON",))
    with page.expect_file_chooser():
        page.keyboard.press("Enter")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_no_tab_is_wider_than_the_screen(visit, tmp_path, size, theme):
    page = visit(size, theme)
    outputs = {"Why": "#why .headline", "Break it": "#break .two", "Confidence": "#confidence img"}
    found, mains = [], set()
    for tab in TABS:
        open_tab(page, tab)
        if tab in ("Why", "Break it"):
            page.locator(".examples button:visible").first.click()
        if tab == "Verdict":
            page.get_by_role("button", name="Compare the two models").click()
            page.locator("#verdict table").wait_for()
        if tab == "Your own predictions":
            page.get_by_role("button", name="Try an example").click()
            page.locator("#table img").first.wait_for()
        if tab in outputs:
            page.locator(outputs[tab]).wait_for()
        if tab == "Confidence":  # a plot that goes on says so, and is no narrower than can be read
            assert page.locator("#confidence figcaption").is_visible() == (size == PHONE)
            assert page.locator("#confidence img").bounding_box()["width"] >= 570
        widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert widths[0] <= widths[1], tab
        mains.add(page.evaluate("document.querySelector('main').getBoundingClientRect().width"))
        found.append(complaints(page))
        keep_screenshot(page, f"{'phone' if size == PHONE else 'desk'}-{theme}-{TABS.index(tab) + 1}")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) == (theme == "dark")
    assert len(mains) == 1  # nothing jumps from tab to tab
    if None in found:
        pytest.skip(MISSING)
    assert dict(zip(TABS, found, strict=True)) == {tab: [] for tab in TABS}


def test_arrows_lead_from_tab_to_tab_and_the_focus_is_seen_whole(visit):
    page = visit()
    page.get_by_role("tab", name="Verdict", exact=True).first.focus()
    for key, tab in (
        ("ArrowRight", "Why"),
        ("End", "About"),
        ("ArrowRight", "Verdict"),
        ("ArrowLeft", "About"),
        ("Home", "Verdict"),
    ):
        page.keyboard.press(key)
        playwright.expect(page.locator("[role=tab][aria-selected=true]:visible")).to_have_text(tab)
        assert page.evaluate("document.activeElement.innerText") == tab
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineOffset)") < 0  # not clipped


def test_a_list_of_models_closes_with_its_field(visit):
    page = visit()
    for model in ("The large model", "The compressed model"):
        page.get_by_label(model).focus()
        page.get_by_role("option").first.wait_for()
        page.keyboard.press("Tab")
    playwright.expect(page.get_by_role("option")).to_have_count(0)
    assert page.locator("[role=combobox][aria-expanded=true]").count() == 0


def test_links_have_no_gap_around_them(visit):
    page = visit()
    open_tab(page, "About")
    link = page.get_by_role("link", name="2407.13174").first
    assert link.evaluate("one => getComputedStyle(one).padding") == "0px"


def test_words_stand_out_from_what_is_behind_them():
    """WCAG's contrast of 4.5 for every ink on every ground that the style sheet puts it on, in light and in dark."""
    from look import CSS

    for theme in (":root, .light", ".dark"):
        block = CSS[0].read_text().partition(f"{theme} {{")[2].partition("}")[0]
        colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        pairs = [(ink, "card") for ink in ("ink", "soft", "compressed", "large", "shared", "different", "inconclusive")]
        pairs += [(verdict, f"{verdict}-wash") for verdict in ("equivalent", "different", "inconclusive")] + [
            ("soft", "wash")
        ]
        for ink, ground in pairs:
            assert contrast(colors[ink], colors[ground]) >= 4.5, (theme, ink, ground)


def contrast(one, other):
    lights = sorted((luminance(one), luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(color):
    """
    >>> luminance("#ffffff"), luminance("#000000")
    (1.0, 0.0)
    """
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return round(0.2126 * red + 0.7152 * green + 0.0722 * blue, 9)
