"""Words of any script on a figure."""

import unicodedata
from functools import cache


def drawable(text: str, spell: bool = True) -> tuple[str, list[str]]:
    """The text and the fonts that have its characters; one that no installed font has is spelled out, or a box.

    >>> drawable("naïve")
    ('naïve', ['DejaVu Sans'])
    """
    fonts, drawn = ["DejaVu Sans"], []
    for character in text:
        font = "DejaVu Sans" if character == "\n" else font_with(character)
        if font:
            drawn.append(character)
            fonts.append(font)
        elif unicodedata.category(character) not in ("Cc", "Cf", "Mn", "Sk"):  # joiners and modifiers: no shape alone
            drawn.append(spelled_out(character) if spell else "\N{WHITE SQUARE}")
    return "".join(drawn), list(dict.fromkeys(fonts))


def spelled_out(character: str) -> str:
    """A symbol by its name, anything else by its number.

    >>> spelled_out("🧠"), spelled_out("中")
    (':brain:', 'U+4E2D')
    """
    symbol = unicodedata.category(character) == "So"
    return f":{unicodedata.name(character).lower()}:" if symbol else f"U+{ord(character):04X}"


@cache
def font_with(character: str) -> str | None:
    """The name of an installed font that has this character, matplotlib's own first."""
    from matplotlib import font_manager

    own = font_manager.findfont("DejaVu Sans")
    installed = [(found.name, found.fname) for found in font_manager.fontManager.ttflist]
    for font, path in [("DejaVu Sans", own), *installed]:
        if "Emoji" in font or "Last Resort" in font:  # coloured pictures cannot be drawn; boxes say nothing
            continue
        try:
            if font_manager.get_font(path).get_char_index(ord(character)):
                return font
        except (OSError, RuntimeError):  # a font file that cannot be read or scaled
            continue
    return None
