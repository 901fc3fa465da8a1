"""How is a language model asked here? A prompt with the text in it, and what may follow: a word or two for each label.

As `trusteq audit` takes them (--prompt, --verbalizers). A language model answers slowly, so that it is asked less."""

from typing import Any, NamedTuple

from limits import PROMPT_CHARACTERS

from trusteq.models.checkpoints import HEADS

PROMPT = "Review: {text}\nIs the review positive or negative? It is"
ANSWERS = "positive, negative"
MOST, LONGEST = 6, 40  # answers, and characters of one
SAMPLES = 30  # variations of a sentence that it is shown
QUESTIONS = 60  # that an attack may put to it
ELSEWHERE = (
    "is a language model: Why and Break it ask it with a prompt, but here an audit would take it hours. Compare its "
    "logs (Your logs), or run trusteq audit with --prompt on a machine of your own"
)


class Asking(NamedTuple):
    """A prompt, and the words that follow it for each label."""

    prompt: str
    verbalizers: tuple[tuple[str, str], ...]

    @property
    def given(self) -> dict[str, Any]:
        """As a model's dict holds it."""
        return {"prompt": self.prompt, "verbalizers": dict(self.verbalizers)}


def read(prompt: Any, answers: Any) -> Asking:
    """
    >>> read("{text}: it is", "good: fine, bad").verbalizers
    (('good', ' fine'), ('bad', ' bad'))
    """
    return Asking(check_prompt(prompt), check_answers(answers))


def check_prompt(prompt: Any) -> str:
    prompt = prompt.rstrip() if isinstance(prompt, str) else ""
    if prompt.count("{text}") != 1 or prompt.count("{text_pair}") > 1:
        raise ValueError("a prompt holds {text} once, where the sentence goes, and for pairs {text_pair} once")
    if len(prompt) > PROMPT_CHARACTERS:
        raise ValueError(f"the prompt has {len(prompt):,} characters; this page takes up to {PROMPT_CHARACTERS}")
    return prompt


def check_answers(answers: Any) -> tuple[tuple[str, str], ...]:
    parts = [part.strip() for part in answers.split(",")] if isinstance(answers, str) else []
    pairs = [[side.strip() for side in part.split(":", 1)] for part in parts]
    found = {sides[0]: f" {sides[-1]}" for sides in pairs}
    if len(found) != len(parts) or not 2 <= len(parts) <= MOST or not all(all(sides) for sides in pairs):
        raise ValueError(f"give 2 to {MOST} different answers with commas between, such as {ANSWERS}, or label: answer")
    if max(len(side) for sides in pairs for side in sides) > LONGEST:
        raise ValueError(f"an answer may have up to {LONGEST} characters")
    return tuple(found.items())


def speaks(opened: tuple[Any, Any]) -> bool:
    """Whether it is a language model."""
    return type(opened[0]).__name__.endswith(HEADS["CausalLM"])
