"""
The filter language as JSON Schema, for editors; `filters.parser` says what it means.

Written by hand, as the language is a tree that no dataclass of keys describes; a test holds both
together.
"""

from collections.abc import Mapping
from typing import Any

_TEXTS: Mapping[str, str] = {
    "title": "Words in a row in the title; `*` at the end stands for any ending.",
    "abstract": "Words in a row in the abstract.",
    "comment": "Words in a row in the authors' comment.",
    "journal": "Words in a row in the journal reference.",
    "author": "A name: `Ion Stoica` also finds `I. Stoica` and `Stoica, Ion`.",
    "category": "A category (`cs.DC`), an archive (`cs`, `cs.*`), or a list of them.",
    "primary": "The primary category, likewise.",
    "type": "How it was announced: new, cross, replace, replace-cross.",
    "source": "The name of the source that it came from.",
    "id": "A paper, such as `arxiv:2603.20941`.",
    "doi": "A DOI, such as `10.1000/xyz`.",
    "exact": "Case and form as written, in title or abstract.",
    "query": 'arXiv\'s own syntax: `ti:"cold start" ANDNOT au:smith`.',
    "regex": "An RE2 expression, searched in title and abstract.",
}
_GROUPS: Mapping[str, str] = {
    "any": "At least one of these.",
    "all": "Every one of these.",
    "none": "None of these.",
    "not": "None of these.",
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _conditions() -> dict[str, Any]:
    texts = {key: {**_ref("Values"), "description": said} for key, said in _TEXTS.items()}
    groups = {key: {**_ref("Conditions"), "description": said} for key, said in _GROUPS.items()}
    near = {
        **_ref("Near"),
        "description": "All of these terms in the title, or in the abstract, near each other.",
    }
    within = {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "description": "In how many words the terms of `near` stand, the first to the last; 10.",
    }
    weight = {"type": "number", "description": "What a hit counts; 1 by default, twice in a title."}
    return {**groups, **texts, "near": near, "weight": weight, "within": within}


_OWN: Mapping[str, Any] = {
    "min_score": {"type": ["number", "null"], "description": "Papers below this are left out."},
    "examples": {
        "type": ["object", "null"],
        "description": "Papers it must match and must leave out; `digestbot check` tries them.",
        "properties": {"match": _ref("Values"), "skip": _ref("Values")},
        "additionalProperties": False,
    },
}

DEFINITIONS: Mapping[str, Any] = {
    "Filter": {
        "anyOf": [
            {"type": "null"},
            _ref("Word"),
            {"type": "array", "items": _ref("Condition")},
            {
                "type": "object",
                "properties": {**_conditions(), **_OWN},
                "additionalProperties": False,
            },
        ]
    },
    "Condition": {
        "anyOf": [
            _ref("Word"),
            {"type": "array", "items": _ref("Condition")},
            {"type": "object", "properties": _conditions(), "additionalProperties": False},
        ]
    },
    "Conditions": {"anyOf": [_ref("Condition"), {"type": "array", "items": _ref("Condition")}]},
    "Values": {"anyOf": [_ref("Word"), {"type": "array", "items": _ref("Word")}]},
    "Near": {"type": "array", "items": _ref("Word"), "minItems": 2, "maxItems": 8},
    "Word": {"type": ["string", "number"]},
}
