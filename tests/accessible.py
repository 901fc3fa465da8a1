"""What axe finds wrong on an open page."""

from importlib.util import find_spec
from pathlib import Path

# Nothing is pale because it has just come: neither an animation that ends, nor Gradio's own waiting.
STILL = """() => !document.querySelector('.pending') && document.getAnimations().every((one) =>
  one.playState !== 'running' || one.effect.getComputedTiming().endTime === Infinity)"""
MISSING = "the rest holds, but axe is not installed: pip install axe-playwright-python"


def complaints(page):
    """Every violation of every rule, not only of WCAG's, with the first place; None where axe is not installed."""
    if (axe := find_spec("axe_playwright_python")) is None:
        return None
    page.wait_for_function(STILL)
    page.evaluate(Path(axe.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]
