"""
The style sheet of the mail, written into the elements: once, when a template is loaded.

Not by a library: those read whole pages and would take Jinja's tags and our fragments apart. One
class is all that a selector here may be. Begin at `StyleSheet.inlined`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_COMMENT = re.compile(r"/\*.*?\*/\s*", re.DOTALL)
_RULE = re.compile(r"^\.([A-Za-z][\w-]*)\{([^{}]*)\}$")
_CLASSES = re.compile(r'class="([^"{}]*)"(?:\s+style="([^"]*)")?')
_SELECTED = re.compile(r"\.([A-Za-z][\w-]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleSheet:
    """Rules for single classes, and the rest, which stays a style sheet."""

    rules: Mapping[str, str]
    """Declarations by the name of a class, in the order of the sheet."""
    kept: str
    """For the page's head: what an attribute cannot say, such as dark mode."""
    selected: frozenset[str]
    """The classes that *kept* speaks of; no other needs to be in a mail."""

    def inlined(self, source: str) -> str:
        """*source* with a style attribute where a class stands; one that is there comes last."""
        return _CLASSES.sub(self._attributes, source)

    def _attributes(self, found: re.Match[str]) -> str:
        names = set(found[1].split())
        said = [style for name, style in self.rules.items() if name in names]
        style = ";".join(part.strip(";") for part in (*said, found[2] or "") if part)
        kept = " ".join(name for name in found[1].split() if name in self.selected)
        shown = (("class", kept), ("style", style))
        return " ".join(f'{name}="{value}"' for name, value in shown if value)


def read_styles(css: str) -> StyleSheet:
    """The sheet *css*: a rule for one class on one line each, everything else as it is."""
    rules: dict[str, str] = {}
    kept = []
    depth = 0
    for row in _COMMENT.sub("", css).splitlines():
        rule = _RULE.match(row.strip()) if depth == 0 else None
        depth += row.count("{") - row.count("}")
        if rule is None:
            kept.append(row)
        elif rule[1] in rules:
            rules[rule[1]] += ";" + rule[2].strip(";")
        else:
            rules[rule[1]] = rule[2].replace('"', "'")
    rest = "\n".join(row for row in kept if row.strip())
    return StyleSheet(rules=rules, kept=rest, selected=frozenset(_SELECTED.findall(rest)))
