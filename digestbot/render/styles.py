"""
Inlining of the mail's style sheet when a template is loaded.

Libraries for this parse whole pages and would break Jinja's tags and partial templates. Here a
selector is always a single class. Begin at `StyleSheet.inline`.
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
    """Rules to inline, and the rest of the style sheet."""

    rules: Mapping[str, str]
    """Declarations by class name, in the order of the sheet."""
    kept: str
    """Style sheet for the page's head: rules that need at-rules, such as dark mode."""
    selected: frozenset[str]
    """Classes used in *kept*; all others are removed from the mail."""

    def inline(self, source: str) -> str:
        """Replace classes in *source* by style attributes; existing styles come last."""
        return _CLASSES.sub(self._attributes, source)

    def _attributes(self, found: re.Match[str]) -> str:
        names = set(found[1].split())
        rules = [style for name, style in self.rules.items() if name in names]
        style = ";".join(part.strip(";") for part in (*rules, found[2] or "") if part)
        kept = " ".join(name for name in found[1].split() if name in self.selected)
        attributes = (("class", kept), ("style", style))
        return " ".join(f'{name}="{value}"' for name, value in attributes if value)


def read_styles(css: str) -> StyleSheet:
    """Parse *css*. Only one-line rules for a single class can be inlined."""
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
