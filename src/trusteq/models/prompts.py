"""How is a language model asked? A prompt with fields, perhaps behind a system message and solved examples, perhaps as
a chat; and what it may answer: words for each label, or the options that an example brings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from trusteq.checks import brief, check_characters, check_choice, check_integer, first_line
from trusteq.kinds.text import Text, options_of

FIELD = re.compile(r"(\{text\}|\{text_pair\}|\{options\})")
MARKS = {"{text}": "\ue0f0", "{text_pair}": "\ue0f1", "{options}": "\ue0f2"}  # for templates, which may read braces
LENGTHS = ("total", "mean", "characters")
USUAL = {"letters": "{text}\n{options}\nAnswer:", "continuations": "Question: {text}\nAnswer:"}


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What surrounds a text, and the answers to choose from.

    `verbalizers` are the words for each label. Instead of them `choices` says how the options that every example
    brings are scored: by their "letters", as the prompt lists them ({options}), or as "continuations" of the prompt.
    With neither, the model writes its answer (writing.py).
    """

    prompt: str
    verbalizers: Mapping[str, str] | None = None
    choices: str | None = None
    most: int = 0  # options of an example
    length: str = "total"
    system: str | None = None
    chat: bool = False
    shots: Sequence[tuple[Text, str]] = ()  # texts and their labels

    @property
    def names(self) -> list[str]:
        return list(self.verbalizers or ascii_uppercase[: self.most])

    @property
    def pairs(self) -> bool:
        """Whether the texts are pairs: of two texts, or of a question and its options."""
        return self.choices is not None or "{text_pair}" in self.prompt

    def answers(self, text: Text) -> list[str]:
        """What may follow the prompt, in the order of the names; a chat's answer begins anew, without a space."""
        if self.verbalizers is not None:
            said = list(self.verbalizers.values())
        else:
            options = options_of(text)
            said = [f" {word}" for word in (ascii_uppercase[: len(options)] if self.choices == "letters" else options)]
        return [words.lstrip() for words in said] if self.chat else said

    def fill(self, parts: Sequence[str], text: Text, characters: int | None = None) -> str:
        """The parts with the text in them, cut to so many characters; braces in it are left alone, options whole."""
        first, second = (text, "") if isinstance(text, str) else text
        fields = {"{text}": first[:characters], "{text_pair}": second[:characters]}
        if self.choices is not None:
            lettered = zip(ascii_uppercase, options_of(text), strict=False)
            fields["{options}"] = "\n".join(f"{letter}. {option}" for letter, option in lettered)
        return "".join(fields.get(part, part) for part in parts)

    def solution(self, text: Text, label: str) -> str:
        """What follows a solved example: where answers are written, the label is the answer itself."""
        if self.verbalizers is None and self.choices is None:
            return label if self.chat else f" {label}"
        return self.answers(text)[self.names.index(label)]

    def parts(self, tokenizer: Any, name: str) -> list[str]:
        """All that the model reads, cut at the fields of the text that is asked about."""
        own = FIELD.split(self.prompt)
        solved = [(self.fill(own, text), self.solution(text, label)) for text, label in self.shots]
        if self.chat:
            return chatted(own, solved, self.system, tokenizer, name)
        before = [*([] if self.system is None else [self.system]), *(asked + answer for asked, answer in solved)]
        return ["".join(f"{words}\n\n" for words in before), *own]


def rewordings(prompt: str) -> list[str]:
    """The same prompt said otherwise, as users do without thinking that it matters: an introduction, quotation marks
    around the text, names in capitals, empty lines between lines (compare Sclar et al. 2023, arXiv 2310.11324).

    Fields stay, and so does the end, which the answer follows.

    >>> rewordings("Review: {text}\\nThis film is")[1:]
    ['Review: "{text}"\\nThis film is', 'REVIEW: {text}\\nThis film is', 'Review: {text}\\n\\nThis film is']
    """
    head = prompt[: max(0, prompt.rfind("\n"), prompt.find("{text}"))]
    found = [
        f"Read this carefully, then answer.\n\n{prompt}",
        prompt.replace("{text}", '"{text}"'),
        re.sub(r"(?<![\w {])[\w ]++(?=:)", lambda name: name[0].upper(), head) + prompt[len(head) :],
        re.sub(r"\n+", "\n\n", prompt),
    ]
    return [one for one in dict.fromkeys(found) if one != prompt]


def chatted(
    parts: Sequence[str], solved: Sequence[tuple[str, str]], system: str | None, tokenizer: Any, name: str
) -> list[str]:
    """The same in the model's own chat template: solved examples are turns that are over."""
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError(f"{name}'s tokenizer has no chat template: ask without chat, or give a model that has one")
    turns = [] if system is None else [("system", system)]
    for asked, answer in solved:
        turns += [("user", asked), ("assistant", answer)]
    turns.append(("user", "".join(MARKS.get(part, part) for part in parts)))
    said = [{"role": role, "content": content} for role, content in turns]
    try:
        whole = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # templates refuse in ways of their own: a system message, say
        raise ValueError(f"{name}'s chat template cannot be filled: {first_line(error)}") from error
    fields = {mark: part for part, mark in MARKS.items()}
    return [fields.get(part, part) for part in re.split(f"([{''.join(fields)}])", whole)]


KNOWN = ("prompt", "verbalizers", "choices", "most", "length", "system", "chat", "shots")


def read_prompt(name: str, given: Mapping[str, Any]) -> Prompt:
    """A prompt from what the user gave beside the model, or one sentence on what is wrong with it."""
    if unknown := [key for key in given if key not in KNOWN]:
        raise ValueError(f"{name}: a dict takes model, calibration, {', '.join(KNOWN)}, not {brief(unknown[0])}")
    needed = ("prompt", "verbalizers") if "choices" not in given else ("prompt", "most")
    if missing := [key for key in needed if key not in given]:
        raise ValueError(f"{name}: the dict has no {brief(missing[0])}; it needs model, {' and '.join(needed)}")
    found = Prompt(**given)
    check_fields(name, found)
    if found.choices is None:
        check_verbalizers(name, found.verbalizers)
    check_choice(f"{name}: length", found.length, LENGTHS)
    check_choice(f"{name}: chat", found.chat, (True, False))
    if found.system is not None and not (isinstance(found.system, str) and found.system.strip()):
        raise ValueError(f"{name}: system must be a text, got {brief(found.system)}")
    check_characters(f"{name}: prompt", found.prompt + (found.system or ""))
    for text, label in found.shots:
        if label not in found.names:
            raise ValueError(f"{name}: a shot has the label {brief(label)}, which is none of {found.names}")
        if isinstance(text, tuple) != found.pairs:
            raise ValueError(f"{name}: a shot must be like the texts, got {brief(text)}")
    return found


def check_fields(name: str, given: Prompt) -> None:
    prompt = given.prompt
    if not isinstance(prompt, str) or prompt.count("{text}") != 1 or prompt.count("{text_pair}") > 1:
        raise ValueError(f"{name}: prompt must hold {{text}} once and {{text_pair}} at most once, got {brief(prompt)}")
    if given.choices is None:
        return
    check_choice(f"{name}: choices", given.choices, tuple(USUAL))
    check_integer(f"{name}: most", given.most, at_least=2, at_most=len(ascii_uppercase))
    if given.verbalizers is not None or "{text_pair}" in prompt:
        raise ValueError(f"{name}: the examples bring their options: give no verbalizers and no {{text_pair}}")
    if given.choices == "letters" and "{options}" not in prompt:
        raise ValueError(f"{name}: a prompt for letters must list the options, as {{options}}, got {brief(prompt)}")


def check_verbalizers(name: str, verbalizers: Any) -> None:
    if not isinstance(verbalizers, dict) or len(verbalizers) < 2:
        raise ValueError(
            f"{name}: verbalizers must be a dict from two or more labels to words, got {brief(verbalizers)}"
        )
    for label, words in verbalizers.items():
        if not isinstance(label, str) or not isinstance(words, str) or not words.strip():
            raise ValueError(f"{name}: verbalizers must give every label its words, got {brief(label)}: {brief(words)}")
        check_characters(f"{name}: the verbalizer of {brief(label)}", words)


def check_written(name: str, given: Prompt) -> Prompt:
    """Of a prompt that the model writes an answer to."""
    if given.prompt.count("{text}") != 1 or "{text_pair}" in given.prompt or "{options}" in given.prompt:
        raise ValueError(f"{name} must hold {{text}} once, and no other field, got {brief(given.prompt)}")
    if given.system is not None and not given.system.strip():
        raise ValueError(f"{name}: system must be a text, got {brief(given.system)}")
    check_characters(name, given.prompt + (given.system or ""))
    return given
