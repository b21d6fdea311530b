"""
JSON Schema of the filter language, for editors; `filters.parser` defines its meaning.

Written by hand, because no dataclass describes this recursive language; a test compares the two.
"""

from collections.abc import Mapping
from typing import Any

_TEXTS: Mapping[str, str] = {
    "text": "Consecutive words in title or abstract, like a bare string; may have a weight.",
    "title": "Consecutive words in the title; a final `*` matches any ending.",
    "abstract": "Consecutive words in the abstract.",
    "comment": "Consecutive words in the authors' comment.",
    "journal": "Consecutive words in the journal reference.",
    "author": "An author's name: `Ion Stoica` also matches `I. Stoica` and `Stoica, Ion`.",
    "category": "A category (`cs.DC`), an archive (`cs`, `cs.*`), or a list of them.",
    "primary": "The primary category, in the same forms.",
    "type": "Announce type: new, cross, replace or replace-cross.",
    "document": "Document type: paper, editorial, correction, retraction, withdrawal, concern, "
    "front-matter or news.",
    "source": "Name of the source that announced the paper.",
    "id": "A paper, such as `arxiv:2603.20941`.",
    "doi": "A DOI, such as `10.1000/xyz`.",
    "exact": "Text in title or abstract, with case and form as written.",
    "query": 'arXiv\'s own syntax: `ti:"cold start" ANDNOT au:smith`.',
    "regex": "An RE2 regular expression, searched in title and abstract.",
}
_GROUPS: Mapping[str, str] = {
    "any": "At least one of these conditions.",
    "all": "All of these conditions.",
    "none": "None of these conditions.",
    "not": "None of these conditions.",
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _conditions() -> dict[str, Any]:
    texts = {key: {**_ref("Values"), "description": text} for key, text in _TEXTS.items()}
    groups = {key: {**_ref("Conditions"), "description": text} for key, text in _GROUPS.items()}
    near = {
        **_ref("Near"),
        "description": "All of these terms in the title, or in the abstract, near each other.",
    }
    within = {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "description": "Number of words that the terms of `near` may span; 10 by default.",
    }
    weight = {"type": "number", "description": "Score of a hit; 1 by default, doubled in a title."}
    return {**groups, **texts, "near": near, "weight": weight, "within": within}


_TOP_LEVEL: Mapping[str, Any] = {
    "min_score": {
        "type": ["number", "null"],
        "description": "Papers with a lower score are left out.",
    },
    "examples": {
        "type": ["object", "null"],
        "description": "Papers that the filter must match or skip; `digestbot check` tests them.",
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
                "properties": {**_conditions(), **_TOP_LEVEL},
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
