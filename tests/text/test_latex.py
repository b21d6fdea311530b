"""LaTeX in prose: a table of cases, hostile input, and real papers."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.text import emphases, fold, plain
from tests.text.tables import table


@pytest.mark.parametrize(
    ("source", "shown"), [pytest.param(*row[:2], id=row[2]) for row in table("latex.tsv")]
)
def test_latex_becomes_readable_text(source: str, shown: str) -> None:
    assert plain(source) == shown


PIECES = r"""\frac \sqrt \text \textbf \emph \href \log \alpha \le \cal \choose \over \left \right
\begin \end {equation} \hat \b \' \" \not \pmod \operatorname \mathbb \unicode \verb \( \) \[ \]
\{ \} \\ { } [ ] $ $$ ^ _ ~ ` `` ' '' - -- --- % & # x n 1 = . , ( )"""
TEX = st.lists(st.sampled_from([*PIECES.split(), " ", "\n"]), max_size=40).map("".join)


@given(TEX)
def test_any_latex_becomes_plain(raw: str) -> None:
    shown = plain(raw, one_line=True)
    assert "\n" not in shown
    assert not re.search("[\ue000-\uf8ff]", shown)


@pytest.mark.parametrize(
    "raw",
    [
        "{" * 50_000,
        "$" * 50_001,
        r"\textbf{" * 20_000,
        r"$\text{" * 10_000,
        "$" + r"\hat" * 800 + "$",
        "$" + r"\cal" * 900 + "$",
        "$" + "{" * 1500 + "}" * 1500 + "$",
        r"\textfoo{" * 10_000 + "}" * 10_000,
        r"$\textfoo{x}$" * 5_000,
        r"\begin{a}" * 5_000,
        "`" * 50_000,
        r"\href{a}" * 10_000,
        r"\(\textbf{" * 5_000,
        "^{" * 20_000 + "}" * 20_000,
    ],
    ids=lambda raw: f"{raw[:12]} × {len(raw)}",
)
def test_hostile_latex_is_converted_quickly(raw: str) -> None:
    assert plain(raw, one_line=True)


def raw_texts(corpus: Path) -> list[str]:
    """Return the titles and abstracts of real papers that contain LaTeX."""
    out: list[str] = []
    for path in sorted((corpus / "papers").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            papers = map(json.loads, file)
            out += [text or "" for paper in papers for text in (paper["title"], paper["abstract"])]
    return [text for text in out if re.search(r"\\|\$|``|~", text)]


# Commands that a text may keep, because they have no one-line form.
DEFINITION = re.compile(r"\\(?:newcommand|renewcommand|def|begin|cases)(?![A-Za-z])")
HIDDEN_ARGUMENT = re.compile(
    r"\\(?:label|[hv]space|color|textcolor|scalebox|index|[hv]?phantom|begin|end)\*?\s*\{[^{}]*\}"
    r"|\\[hm]?(?:kern|skip)\s*[-+]?[\d.]+\s*[a-z]{2}|\\unicode\{[^{}]*\}"
)
BROKEN_LETTER = re.compile(r"\\[a-z]\{[a-z]{2,}\}")
LINK = re.compile(r"\\(?:href|hyperlink)\s*\{([^{}]*)\}\s*(?=\{)")


def letters(text: str) -> Counter[str]:
    return Counter(char for char in fold(text) if char.isalnum())


def seen_letters(source: str) -> Counter[str]:
    """Count the letters and digits visible in the typeset *source*, and possibly more."""

    def link(found: re.Match[str]) -> str:
        address = found[1].replace("\\", "").removeprefix("mailto:")
        text = source[found.end() : found.end() + 3 * len(address) + 60].replace("\\", "")
        return "" if address in text else found[0]

    seen = BROKEN_LETTER.sub("", LINK.sub(link, source))
    return letters(re.sub(r"\\[A-Za-z]+\*?", "", HIDDEN_ARGUMENT.sub("", seen)))


def is_balanced(source: str) -> bool:
    level = 0
    for brace in re.findall(r"[{}]", re.sub(r"\\.", "", source)):
        level += 1 if brace == "{" else -1
        if level < 0:
            return False
    return level == 0


@pytest.mark.corpus
def test_real_latex_becomes_plain_without_loss(corpus: Path) -> None:
    texts = raw_texts(corpus)
    assert len(texts) > 5000
    frequent = {
        name
        for name, _ in Counter(
            name for text in texts for name in set(re.findall(r"\\([A-Za-z]+)", text))
        ).most_common(100)
    }
    unread, odd = [], []
    emphasized = 0
    for text in texts:
        shown = plain(text, one_line=True)
        emphasized += bool(emphases(text, shown, one_line=True))
        assert seen_letters(text) <= letters(shown), text
        if frequent & set(re.findall(r"\\([A-Za-z]+)", shown)):
            unread.append(text)
        if shown.count("$") % 2 and re.search(r"\$(?!\s?\d)", shown):
            odd.append(text)
    readable = [text for text in unread if is_balanced(text) and not DEFINITION.search(text)]
    # TeX cannot read two of them either: "\footnote\{…\}" and "$\sqrt$ d".
    assert len(readable) <= 2, readable
    assert len(unread) < 25
    # Nearly all texts with \\emph, \\textit or \\textbf.
    assert emphasized > 1500
    # An unmatched dollar that is not a price was unmatched in the source.
    assert [text for text in odd if text.replace("\\$", "").count("$") % 2 == 0] == []


@pytest.mark.corpus
def test_real_titles_are_plain_after_one_pass(corpus: Path) -> None:
    texts = raw_texts(corpus)
    shown = [plain(text, one_line=True) for text in texts]
    changed = sum(plain(text, one_line=True) != text for text in shown)
    assert changed < len(texts) / 100
