"""
Filters: parse them from YAML data, evaluate them on announcements, explain the result.

`parse_filter` and `check_filter` read the language, `evaluate` applies a filter, `explain` reports
condition by condition. Pure functions, independent of the store and the config file. Begin at
`parser`.
"""

from digestbot.filters.evaluate import evaluate, hits
from digestbot.filters.explain import Explanation, explain, format_explanation
from digestbot.filters.parser import Examples, Filter, check_filter, parse_filter

__all__ = [
    "Examples",
    "Explanation",
    "Filter",
    "check_filter",
    "evaluate",
    "explain",
    "format_explanation",
    "hits",
    "parse_filter",
]
