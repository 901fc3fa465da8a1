"""What does an audit hold? The JSON schema of report.json, as a dict; also written beside it."""

from typing import Any

from .dimensions import ORDER


def exactly(properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these and nothing else."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def map_of(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


TEXT = {"type": "string"}
NUMBER = {"type": "number"}
COUNT = {"type": "integer", "minimum": 0}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
TEXT_OR_PAIR = {"anyOf": [TEXT, list_of(TEXT) | {"minItems": 2, "maxItems": 2}]}

DONE = exactly(
    {
        "status": {"const": "done"},
        "reason": {"type": "null"},
        "headline": TEXT,
        "kind": {"enum": ["overlap", "gap"]},
        "value": NUMBER,
        **dict.fromkeys(["low", "high", "expected", "most", "floor", "floor_low", "floor_high"], or_null(NUMBER)),
        "divergence": NUMBER,
        **dict.fromkeys(["divergence_low", "divergence_high"], or_null(NUMBER)),
        "margin": {"type": "number", "exclusiveMinimum": 0},
        "verdict": {"enum": ["equivalent", "different", "inconclusive", None]},
        "examples": COUNT,
        "examples_needed": or_null(COUNT),
        "sentence": TEXT,
        "figures": map_of(NUMBER),
        "details": {"type": "object"},
    }
)
NOT_DONE = exactly({"status": {"enum": ["failed", "skipped"]}, "reason": TEXT})
DIMENSION = {"oneOf": [DONE, NOT_DONE]}

OUTCOME = exactly(
    {
        "label": COUNT,
        "text": TEXT_OR_PAIR,
        "adversarial": TEXT_OR_PAIR,
        "scores": list_of(SHARE),
        "adversarial_scores": list_of(SHARE),
        "status": {"enum": ["skipped", "broken", "withstood"]},
        "queries": COUNT,
        "changed_words": COUNT,
        "changeable": {"type": "boolean"},
        "transfers": or_null({"type": "boolean"}),
    }
)
WORDS = list_of({"type": "array", "prefixItems": [TEXT, NUMBER], "minItems": 2, "maxItems": 2})
SHOWN = {"index": COUNT, "text": TEXT_OR_PAIR, "gold": TEXT, "pair": TEXT}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "An audit of trust equivalence",
    **exactly(
        {
            "schema": {"const": "trust_equivalence/1"},
            "version": TEXT,
            "signature": {"type": "string", "pattern": "^trust_equivalence:[^\\n]*$"},
            "settings": {"type": "object"},
            "data": exactly(
                {"name": TEXT, "examples": COUNT, "ood_examples": COUNT, "classes": list_of(TEXT), "fingerprint": TEXT}
            ),
            "models": map_of(
                exactly(
                    {
                        "role": {"enum": ["large", "twin", "compressed"]},
                        "source": TEXT,
                        "parameters": or_null(COUNT),
                        "megabytes": or_null({"type": "number", "minimum": 0}),
                        **dict.fromkeys(["accuracy", "accuracy_low", "accuracy_high"], SHARE),
                        "fingerprint": TEXT,
                    }
                )
            ),
            "pairs": list_of(
                exactly(
                    {
                        **dict.fromkeys(["name", "compressed", "large"], TEXT),
                        "role": {"enum": ["twin", "compressed", "other"]},
                        "dimensions": map_of(DIMENSION) | {"propertyNames": {"enum": list(ORDER)}},
                    }
                )
            ),
            "examples": exactly(
                {
                    "explanations": list_of(exactly(SHOWN | {"small": WORDS, "large": WORDS, "jaccard": SHARE})),
                    "attacks": list_of(exactly(SHOWN | {"small": OUTCOME, "large": OUTCOME})),
                }
            ),
            "failures": list_of(exactly({"pair": TEXT, "dimension": {"enum": list(ORDER)}, "reason": TEXT})),
            "run": exactly(
                {
                    "started": TEXT,
                    "seconds": {"type": "number", "minimum": 0},
                    "processes": COUNT,
                    "versions": map_of(TEXT),
                }
            ),
        }
    ),
}
