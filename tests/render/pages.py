"""
Strict reading of a mail's HTML: errors that browsers forgive fail here.

`check_page` asserts what every mail must satisfy: tags closed in order, unique ids, links with
text, headings in order, a language, and sufficient contrast in light and dark mode.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "hr"}
TAGS = VOID | set(
    "html head title style body div table tr td h1 h2 h3 p a b em strong span ul li".split()  # noqa: SIM905
)
CONTRAST = 4.5
"""Minimum contrast of text to its background (WCAG 2.2, 1.4.3)."""
COLOURS = ("color", "background-color")
_DARK = re.compile(r"@media \(prefers-color-scheme:dark\)\{\n(.*?)\n\}", re.DOTALL)
_RULE = re.compile(r"\.([a-z]+)\{([^}]*)\}")


@dataclass
class Element:
    """An open tag and the colours of its text in light and dark mode."""

    tag: str
    classes: list[str]
    hidden: bool
    light: dict[str, str]
    dark: dict[str, str]


@dataclass
class Page(HTMLParser):
    """Parser that collects the facts to be checked."""

    dark_rules: list[tuple[str, dict[str, str]]]
    links: list[tuple[str, str]] = field(default_factory=list)
    tags: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    language: str = ""
    text: str = ""
    marked: list[str] = field(default_factory=list)
    faint: dict[tuple[str, str], str] = field(default_factory=dict)
    """Pairs of colour and background with too little contrast, each with an example."""
    skeleton: set[str] = field(default_factory=set)
    """Each kind of element once, empty and without its link, for the check of mail clients."""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        assert tag in TAGS
        assert len(facts) == len(attrs), f"<{tag}> repeats an attribute"
        assert not any(name.startswith("on") for name in facts)
        assert tag != "img" or "alt" in facts
        self.tags[tag] += 1
        self.ids += [facts["id"]] if "id" in facts else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.language = facts.get("lang", "") if tag == "html" else self.language
        if tag == "a":
            self.links.append((facts["href"], ""))
        if tag != "style":
            shown = (f' {name}="{value}"' for name, value in facts.items() if name != "href")
            self.skeleton.add(f"<{tag}{''.join(shown)}>" + ("" if tag in VOID else f"</{tag}>"))
        if tag not in VOID:
            self.open.append(self._element(tag, facts))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        within = [element.tag for element in self.open]
        if "style" in within:
            self.skeleton.add(f"<style>{data}</style>")
            return
        self.text += data
        if any("hit" in element.classes for element in self.open):
            self.marked.append(data)
        if "a" in within:
            href, label = self.links[-1]
            self.links[-1] = (href, label + data)
        if "body" in within and data.strip() and not self.open[-1].hidden:
            self._check_contrast(self.open[-1], data)

    def _element(self, tag: str, facts: dict[str, str]) -> Element:
        style = declarations(facts.get("style", ""))
        classes = facts.get("class", "").split()
        outer = self.open[-1] if self.open else Element("", [], False, {}, {})
        own = {name: style[name] for name in COLOURS if name in style}
        dark = dict(own)
        for name, rule in self.dark_rules:
            dark |= {key: rule[key] for key in COLOURS if name in classes and key in rule}
        hidden = outer.hidden or style.get("display") == "none"
        return Element(tag, classes, hidden, outer.light | own, outer.dark | dark)

    def _check_contrast(self, element: Element, data: str) -> None:
        for colours in (element.light, element.dark):
            pair = (colours["color"], colours["background-color"])
            if contrast(*pair) < CONTRAST:
                self.faint[pair] = data[:60]


def read(html: str) -> Page:
    """Parse *html*, asserting that its tags are closed."""
    dark = _DARK.search(html)
    page = Page(dark_rules=list(_rules(dark[1] if dark else "")))
    page.feed(html)
    page.close()
    assert page.open == []
    return page


def check_page(html: str) -> Page:
    """Assert that *html* is a valid mail and return it parsed."""
    page = read(html)
    assert page.ids == sorted(set(page.ids))
    assert page.tags["h1"] == page.tags["title"] == page.tags["body"] == 1
    for href, label in page.links:
        assert href.startswith(("https://", "http://", "mailto:"))
        assert label.strip(), f"the link to {href} has no text"
    assert page.language
    assert page.headings[0] == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(deeper <= level + 1 for level, deeper in steps), "a heading level is skipped"
    assert page.faint == {}
    return page


def declarations(style: str) -> dict[str, str]:
    """Parse ``color:#fff;margin:0`` into a dict, dropping ``!important``."""
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return {name.strip(): value.removesuffix("!important").strip() for name, _, value in pairs}


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours ``#rrggbb``, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _rules(css: str) -> Iterator[tuple[str, dict[str, str]]]:
    for name, style in _RULE.findall(css):
        yield name, declarations(style)
