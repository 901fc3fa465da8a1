"""What a visitor sees first, links that show the same to a colleague, old answers that say so, and logs dropped in."""

import re

import pytest
from accessible import complaints
from served_space import ROOT
from visitors import DESK, PHONE, keep_screenshot, open_tab

playwright = pytest.importorskip("playwright.sync_api", reason="the extra `test` is not installed")
LOGS = ROOT / "tests" / "records" / "data" / "lm_eval"
SENTENCE = "a very good film with a dull plot"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_opens_with_a_verdict(visit, size, theme):
    page = visit(size, theme)
    rows = page.locator("#opening tbody tr")
    assert rows.count() == 5
    words = [row.locator(".word").inner_text() for row in rows.all()]
    assert words == sorted(words, key=["Yes", "Not settled", "No"].index)
    assert {"Yes", "No"} <= set(words)
    assert rows.last.bounding_box()["y"] + rows.last.bounding_box()["height"] <= size[1]  # without a scroll
    keep_screenshot(page, f"opening-{'phone' if size == PHONE else 'desk'}-{theme}")
    page.locator("#opening summary").click()
    assert not complaints(page)
    widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1]


def test_a_row_of_the_opening_chooses_its_model(visit, space):
    page = visit()
    row = page.locator("#opening tr", has_text="quantized")
    row.locator(".word").click()
    playwright.expect(page.get_by_label("The compressed model")).to_have_value("quantized")
    playwright.expect(row).to_have_attribute("aria-current", "true")
    playwright.expect(page).to_have_url(re.compile(r"\?compressed=quantized$"))
    elsewhere = page.locator("#opening tr", has_text="alone")  # it is not among the models of this page
    assert elsewhere.locator("th a").count() == 0
    page.locator("#opening tr", has_text="distilled").locator("th a").focus()
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_label("The compressed model")).to_have_value("distilled")
    playwright.expect(page).to_have_url(re.compile(re.escape(space.url) + "$"))


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_model_whose_number_was_pressed_is_the_one_that_all_tabs_are_about(visit, size):
    page = visit(size)
    row = page.locator("#opening tr", has_text="quantized")
    row.locator("a[data-kind]").filter(visible=True).last.click()
    page.locator("#browse-family .rows > li").first.wait_for()
    playwright.expect(page.get_by_label("The compressed model")).to_have_value("quantized")
    playwright.expect(row).to_have_attribute("aria-current", "true")
    example = page.locator("#browse-family .rows > li").first
    text = example.locator(".text").inner_text()
    example.locator("summary").click()
    example.get_by_role("link", name="Ask why").click()
    playwright.expect(page.locator("#why .of-compressed h2")).to_contain_text("quantized")
    open_tab(page, "Break it")  # about the same sentence
    sentence = page.get_by_label("A sentence about a film").filter(visible=True)
    playwright.expect(sentence).to_have_value(text)
    page.get_by_role("button", name="Try to fool both").click()
    playwright.expect(page.locator("#break .of-compressed h2")).to_contain_text("quantized")


@pytest.mark.parametrize(("size", "theme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_from_a_number_to_its_examples_to_both_models_to_a_colleague(visit, size, theme):
    """The whole way, with keys alone."""
    page = visit(size, theme)
    page.locator("#opening tr", has_text="distilled").locator("a[data-kind]").filter(visible=True).first.focus()
    page.keyboard.press("Enter")
    told = page.locator("#browse-family .told")
    playwright.expect(told).to_be_focused()
    playwright.expect(told).to_be_in_viewport()
    pressed = page.locator("#browse-family [aria-pressed=true]")
    number = pressed.locator("b").inner_text()
    playwright.expect(pressed).to_contain_text("only distilled wrong")
    assert told.inner_text().startswith(f"{number} examples")
    assert pressed.locator("b").evaluate("one => getComputedStyle(one).color") == pressed.evaluate(
        "one => getComputedStyle(one).color"
    )  # it is seen on its dark ground
    example = page.locator("#browse-family .rows > li").first
    for model, answer in (("distilled", "wrong"), ("large", "right")):
        playwright.expect(example.locator(".said > li", has_text=model)).to_contain_text(answer)
    text = example.locator(".text").inner_text()
    example.locator("summary").focus()
    page.keyboard.press("Enter")
    playwright.expect(example.get_by_text("Nearest neighbours")).to_be_visible()
    assert not complaints(page)
    widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1]
    keep_screenshot(page, f"examples-{'phone' if size == PHONE else 'desk'}-{theme}")
    example.get_by_role("link", name="Ask why").focus()
    page.keyboard.press("Enter")
    cards = [page.locator(f"#why .of-{kind}") for kind in ("compressed", "large")]
    for card, name in zip(cards, ("distilled", "large"), strict=True):
        playwright.expect(card.locator("h2")).to_contain_text(name)
    playwright.expect(page.get_by_label("A sentence about a film").first).to_have_value(text)
    playwright.expect(page.locator("#why h2").first).to_be_in_viewport()
    playwright.expect(page.locator("#why")).to_be_focused()
    playwright.expect(page).to_have_url(re.compile("shown=why"))
    colleague = visit(size, theme, page.url.removeprefix(page.url.partition("?")[0]))
    playwright.expect(colleague.get_by_label("A sentence about a film").first).to_have_value(text)
    playwright.expect(colleague.locator("#why .headline")).to_have_text(page.locator("#why .headline").inner_text())
    playwright.expect(colleague.locator("#why h2").first).to_be_in_viewport()
    open_tab(colleague, "Verdict")  # where the first one came from
    playwright.expect(colleague.locator("#browse-family .told")).to_contain_text(f"{number} examples")


def test_examples_are_fetched_when_they_are_asked_for_and_not_before(visit):
    page, fetched = visit(), []
    page.on("request", lambda one: fetched.append(one.url) if "/examples/" in one.url else None)
    page.wait_for_timeout(300)
    assert fetched == []
    row = page.locator("#opening tr", has_text="alone")
    row.locator(".cell a").first.click()
    page.locator("#browse-family .rows > li").first.wait_for()
    page.locator("#opening tr", has_text="kept").locator(".cell a").first.click()
    playwright.expect(page.locator("#browse-family .told")).to_contain_text("only kept wrong")
    assert len(fetched) == 1


def test_examples_that_are_gone_are_a_sentence(visit):
    page = visit()
    page.locator("#browse-family").evaluate("one => { one.dataset.from = 'gone'; }")
    page.locator("#opening .cell a").first.click()
    page.get_by_role("alert").get_by_text("no longer kept here").wait_for()


def test_a_link_shows_the_same_and_a_reload_loses_nothing(visit):
    page = visit()
    page.get_by_label("The compressed model").click()
    page.get_by_role("option", name="tiny").click()
    open_tab(page, "Why")
    page.get_by_label("occlusion").check()  # before the sentence, which is answered as soon as it stands there
    page.get_by_label("A sentence about a film").first.fill(SENTENCE)
    page.get_by_role("button", name="Explain both").click()
    page.locator("#why .headline").wait_for()
    playwright.expect(page).to_have_url(re.compile("shown=why"))
    found = page.locator("#why .headline").inner_text()
    address = page.url
    assert "tab=why" in address
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy a link").click()
    playwright.expect(page.locator("#copied")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == address
    page.reload()
    colleague = visit(PHONE, "dark", "?" + address.partition("?")[2])
    for one in (page, colleague):
        playwright.expect(one.locator("#why .headline")).to_contain_text(found.split("\n")[0])
        playwright.expect(one.get_by_label("The compressed model")).to_have_value("tiny")
        playwright.expect(one.get_by_label("A sentence about a film").first).to_have_value(SENTENCE)
        playwright.expect(one.get_by_label("occlusion")).to_be_checked()
        playwright.expect(one).to_have_url(address)
        assert not one.locator("#why .old").is_visible()


def test_nothing_is_asked_and_nothing_said_before_a_visitor_asks(visit):
    page = visit()
    for tab, answer in (("Why", "#why"), ("Break it", "#break")):
        open_tab(page, tab)
        page.wait_for_timeout(500)
        assert page.locator(answer).inner_text().strip() == ""


def test_rubbish_in_the_address_is_a_sentence(visit):
    page = visit(address="?large=../../etc&compressed=%3Cimg%20src=x%20onerror=alert(1)%3E&tab=why&top=99&shown=why")
    page.get_by_role("alert").get_by_text("did not understand all of its address").wait_for()
    playwright.expect(page.get_by_label("The large model")).to_have_value("large")
    playwright.expect(page.get_by_label("The compressed model")).to_have_value("distilled")
    playwright.expect(page.get_by_role("tab", name="Why")).to_have_attribute("aria-selected", "true")
    assert page.locator("#notice img").count() == 0


def choose(page, name):
    page.get_by_label("The compressed model").click()
    page.get_by_role("option", name=name).click()


def test_after_another_choice_of_models_an_old_answer_says_so(visit):
    page = visit()
    page.get_by_role("button", name="Compare the two models").click()
    page.locator("#verdict table").wait_for()
    # What was asked for is scrolled to.
    page.wait_for_function("document.querySelector('#verdict').getBoundingClientRect().top < innerHeight / 2")
    playwright.expect(page).to_have_url(re.compile("shown=verdict"))
    # Behind its figures are the examples, those of this audit.
    link = page.locator("#verdict td a").first
    assert link.inner_text() in page.locator("#verdict tbody tr").first.inner_text()
    link.click()
    playwright.expect(page.locator("#browse-verdict .told")).to_be_visible()
    assert page.locator("#browse-verdict .rows > li").count() > 1
    assert not complaints(page)
    open_tab(page, "Break it")
    page.get_by_role("textbox", name="A sentence about a film").last.fill(SENTENCE)
    page.get_by_role("button", name="Try to fool both").click()
    page.locator("#break .two").wait_for()
    open_tab(page, "Your own predictions")
    page.get_by_role("button", name="Try an example").click()
    page.locator("#table img").first.wait_for()
    assert not page.locator(".old").filter(visible=True).count()
    choose(page, "tiny")
    for tab, place in (("Your own predictions", "#table"), ("Break it", "#break"), ("Verdict", "#verdict")):
        open_tab(page, tab)
        playwright.expect(page.locator(f"{place} .old")).to_be_visible()
        assert "distilled beside large" in page.locator(f"{place} .old").inner_text()
        assert not complaints(page)
        keep_screenshot(page, f"old-{place[1:]}")
    assert "shown=" not in page.url
    choose(page, "distilled")
    playwright.expect(page.locator("#verdict .old")).to_be_hidden()
    playwright.expect(page).to_have_url(re.compile("shown=verdict"))
    page.reload()
    playwright.expect(page.locator("#verdict .answer")).to_be_visible()
    open_tab(page, "Break it")
    playwright.expect(page.locator("#break .two")).to_be_visible()


def test_the_tab_of_logs_teaches_with_an_example(visit):
    page = visit()
    open_tab(page, "Your logs")
    page.get_by_role("button", name="Try an example").filter(visible=True).click()
    page.locator("#logs table").first.wait_for()
    assert page.locator(".file-preview").filter(visible=True).count() == 2  # such files are dropped in
    shown = page.locator("#logs").inner_text()
    for part in ("Same mistakes?", "on 975 examples", "Answers that changed"):
        assert part in shown
    page.locator("#logs td a").first.click()
    page.locator("#browse-logs .rows > li").first.wait_for()
    assert not complaints(page)


def test_logs_are_dropped_in(visit, tmp_path):
    page = visit()
    open_tab(page, "Your logs")
    for place, name in enumerate(("smollm2", "smollm2-int4")):
        zone = page.get_by_role("tabpanel").filter(visible=True).locator("input[type=file]").nth(place)
        zone.set_input_files(sorted((LOGS / name).rglob("*.jsonl")))
        page.wait_for_function(f"[...document.querySelectorAll('.file-preview')].length > {place}")
    page.get_by_role("button", name="Compare the logs").click()
    page.locator("#logs table").first.wait_for()
    assert not page.locator("#logs .old").count()
    page.locator("#logs td a").first.click()
    page.locator("#browse-logs .rows > li").first.wait_for()
    assert page.locator("#browse-logs a.go").count() == 0  # no model is here that could be asked
    for part in ("Task by task", "tiny_sums (strict)", "Answers that changed", "right to wrong"):
        assert part in page.locator("#logs").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download report.html").click()
    download.value.save_as(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!")
    assert not complaints(page)
    keep_screenshot(page, "logs")
