"""`trusteq push`: the verdict of an audit into a model's card on the Hub."""

from dataclasses import dataclass
from pathlib import Path

from trusteq.cli.plan import read
from trusteq.cli.typed import Parser, Typed, part_of, run

ABOUT = """
Can others see the verdict? Writes it into the card of a model on the Hub: metadata and a block of text.

    trusteq push results/audit me/distilled --model distilled

The rest of the card stays as it is, and a second time changes nothing. The Hub's own login is used (`hf auth login`).
Exit status: 0; 2, with one sentence, if it cannot be done.
"""


@dataclass(frozen=True)
class PushOptions:
    """Which verdict, and where it goes.

    Args:
        audit: the folder of a finished audit, or its report.json.
        repo: the model's repository on the Hub, OWNER/NAME.
        model: which compressed model, by name, where there are several.
    """

    audit: Path
    repo: str
    model: str | None = None


def main(argv: list[str] | None = None) -> int:
    return run("push", parser(), begin, argv)


def parser() -> Parser:
    made = Parser("push", ABOUT)
    made.usage = "trusteq push AUDIT_FOLDER OWNER/NAME [options]"
    places = {"audit": {"nargs": "?", "metavar": "AUDIT_FOLDER"}, "repo": {"nargs": "?", "metavar": "OWNER/NAME"}}
    made.add(PushOptions, under="what is written where", **places)
    return made


def begin(typed: Typed) -> int:
    from huggingface_hub.errors import HfHubHTTPError

    from trusteq.report.hub import push_to_hub

    options = part_of(PushOptions, typed)
    try:
        is_new = push_to_hub(read(options.audit), options.repo, options.model)
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{options.repo} could not be read or written on the Hub: {reason}") from error
    print(f"{'written to' if is_new else 'stands already on'} https://huggingface.co/{options.repo}")
    return 0
