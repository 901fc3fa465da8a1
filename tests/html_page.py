"""The report's page as tests read it: its elements and its text."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """What a browser would make of the page: its elements, and the text outside of style sheets and scripts."""

    EMPTY = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, source):
        super().__init__()
        self.source, self.elements, self.text, self.open = source, [], "", []
        self.feed(source)
        self.close()
        assert self.open == [], "elements that are never closed"
        self.plots = [a for name, a in self.elements if name == "svg" and a.get("role") == "img"]

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in self.EMPTY:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.elements.append((name, dict(attributes)))

    def handle_endtag(self, name):
        assert self.open.pop() == name, f"</{name}> closes another element"

    def handle_data(self, data):
        if "style" not in self.open and "script" not in self.open:
            self.text += data

    def all(self, attribute):
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


def unstyled(page: str) -> set[str]:
    """The custom properties (colours, above all) that a page's styles and pictures use and that it does not define."""
    return set(re.findall(r"var\((--[\w-]+)\)", page)) - set(re.findall(r"(--[\w-]+):", page))
