"""How does a plot become part of the page? As SVG whose colours follow the page and whose ids are its own."""

import io
import re
from typing import Any
from xml.etree import ElementTree

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
BRAND = {"#d55e00": "var(--compressed)", "#0072b2": "var(--large)", "#5b3a6b": "var(--shared)"}
DOTS_PER_INCH = 160
PLACES = re.compile(r'\b(?:d|x|y|transform|points|width|height)="[^"]*"')
Layout = tuple[list[Any], list[Any]]  # where the axes are, and the texts that belong to none
Layouts = dict[tuple[float, ...], Layout]  # by a figure's size, and how many of both it has
FONT = re.compile(r"font-family: [^;]+")


def pictures(figure: Any, png: bool = True, layouts: Layouts | None = None) -> dict[str, bytes]:
    """The figure as SVG and as PNG: text stays text, and the same figure gives the same bytes.

    The canvases are called themselves, since `savefig` draws everything twice, and laid out anew each time. `layouts`
    keeps how the first of several figures of one kind was laid out: finding that takes longer than drawing.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    svg, dots = io.StringIO(), io.BytesIO()
    shape = (*figure.get_size_inches(), len(figure.axes), len(figure.texts))
    if layouts is not None and shape in layouts:
        lay_out(figure, layouts[shape])
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "trust_equivalence"}):
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
    found = {"svg": PLACES.sub(lambda match: rounded(match[0]), svg.getvalue()).encode()}
    if layouts is not None and not figure.subfigs:
        layouts.setdefault(shape, layout_of(figure))
    if not png:
        return found
    figure.set_layout_engine("none")  # as it was laid out for the first picture
    figure.set_dpi(DOTS_PER_INCH)
    FigureCanvasAgg(figure).print_png(dots, metadata={"Software": None})
    return found | {"png": dots.getvalue()}


def layout_of(figure: Any) -> Layout:
    return [axis.get_position(original=True) for axis in figure.axes], [text.get_position() for text in figure.texts]


def lay_out(figure: Any, layout: Layout) -> None:
    figure.set_layout_engine("none")
    for placed, places in zip((figure.axes, figure.texts), layout, strict=True):
        for one, place in zip(placed, places, strict=True):
            one.set_position(place)


def rounded(attribute: str) -> str:
    """Places to a hundredth of a point, which nobody sees.

    >>> rounded('d="M 12.345678 0.5 L -1.000001 7"')
    'd="M 12.35 0.5 L -1 7"'
    """
    return re.sub(r"-?(?<!\d)\d++\.\d{3,}", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), attribute)


class Styles:
    """How the parts of a page's plots look, each look said once: two fifths of a plot's characters say the same."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def of(self, style: str) -> str:
        return self.names.setdefault(style, f"s{len(self.names)}")

    @property
    def sheet(self) -> str:
        """
        >>> styles = Styles()
        >>> styles.of("fill: red"), styles.of("fill: none"), styles.of("fill: red")
        ('s0', 's1', 's0')
        >>> styles.sheet
        '.plot svg .s0{fill: red}.plot svg .s1{fill: none}'
        """
        return "".join(f".plot svg .{name}{{{style}}}" for style, name in self.names.items())


def inline_svg(svg: str, prefix: str, label: str, styles: Styles | None = None) -> str:
    """The document's picture as an element of an HTML page: `prefix` is put before its ids, greys and the three
    colours of the models become the page's (so that they turn with light and dark), and `label` is read aloud. With
    `styles` how its parts look is collected there.

    >>> picture = '<svg xmlns="http://www.w3.org/2000/svg"><g id="a"/><path id="b" style="fill: #ffffff"/></svg>'
    >>> print(inline_svg(picture, "p1-", "two <shapes>").replace("><", ">\\n<"))
    <svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="two &lt;shapes&gt;">
    <g />
    <path style="fill: var(--plot)" />
    </svg>
    """
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):  # a style would hold for the whole page
                parent.remove(child)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    for element in root.iter():
        if (name := element.get("id")) is not None:
            del element.attrib["id"]
            if name in used:
                element.set("id", prefix + name)
        if (target := element.get(f"{{{XLINK}}}href")) is not None:
            del element.attrib[f"{{{XLINK}}}href"]
            element.set("href", target.replace("#", f"#{prefix}", 1))
        if (fill := element.attrib.pop("fill", None)) is not None:  # the ground of a hatch
            element.set("style", f"fill: {fill}")
        for key in ("clip-path", "style"):
            if key in element.attrib:
                value = element.attrib[key].replace("url(#", f"url(#{prefix}")
                element.set(key, FONT.sub("font-family: var(--sans)", themed(value)) if key == "style" else value)
        if styles is not None and "url(" not in (style := element.get("style", "")) and style:
            element.set("class", styles.of(element.attrib.pop("style")))
    wide = root.attrib.pop("width", "").removesuffix("pt")
    if wide:  # no wider than its letters are meant to be
        root.set("style", f"max-width: {float(wide):.0f}pt")
    for key in ("height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", label)
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")


def themed(style: str) -> str:
    """
    >>> themed("fill: #d55e00; stroke: #000000"), themed("fill: #808080")
    ('fill: var(--compressed); stroke: currentColor', 'fill: color-mix(in srgb, currentColor 50%, var(--plot))')
    """
    return re.sub(r"#[0-9a-fA-F]{6}\b", lambda match: page_color(match[0].lower()), style)


def page_color(color: str) -> str:
    if color in BRAND:
        return BRAND[color]
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    if not red == green == blue:
        return color
    ink = round(100 - red / 2.55)
    return {100: "currentColor", 0: "var(--plot)"}.get(ink, f"color-mix(in srgb, currentColor {ink}%, var(--plot))")
