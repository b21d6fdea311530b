"""
Filters: what an owner wrote in YAML, what it says of an announcement, and why.

`parse_filter` and `check_filter` read the language, `evaluate` answers, `explain` answers condition
by condition. Pure; knows no store and no config file. Begin at `language`.
"""

from digestbot.filters.evaluate import evaluate, hits
from digestbot.filters.explain import Explanation, explain, in_words
from digestbot.filters.parser import Examples, Filter, check_filter, parse_filter

__all__ = [
    "Examples",
    "Explanation",
    "Filter",
    "check_filter",
    "evaluate",
    "explain",
    "hits",
    "in_words",
    "parse_filter",
]
