"""
Measure the English of docstrings, and find phrases that no native reader would write.

``python -m tests.voice`` prints the figures for digestbot, and each offending first sentence with
``-v``. `tests.test_voice` bounds them. Style guide: imperative or noun phrase, positive, about 12
words at most.
"""

import argparse
import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent

_RELATIVE = re.compile(r"(?:What|Whether|Those|Who|Whoever|That|Which)\b")
_NEGATED = re.compile(
    r"\b(?:not|no|none|never|nobody|nothing|neither|nor|cannot|without|nowhere)\b|n't\b", re.I
)
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s|::")
_CODE = re.compile(r"``[^`]+``|`[^`]+`")

PHRASES = (
    r"(?:told|tells?) of\b",
    r"\bwho(?:m)?ever\b",
    r"\bnobody\b",
    r"\b(?:is|are) no [a-z]",
    r"\bparted by\b",
    r"\bmend(?:s|ed|ing)?\b",
    r"\bmade up for\b",
    r"\bof (?:one's|its|their|our|your) own\b",
    r"\bby (?:itself|themselves) (?:only|alone)\b",
    r"\bbeside (?:it|those|the)\b",
    r"\bstands? (?:there|under|below|above|beside|at)\b",
    r"\b(?:stranger|strangers)\b",
    r"\bin its midst\b|\bin the midst\b",
    r"\bforesaw\b",
    r"\bby (?:the owner's|your|their) word\b",
    r"\bfor a person\b",
    r"\bhas to look\b",
    r"\blooked at\b",
    r"\bto be had\b|\bwas had\b",
    r"\bis ill\b|\bare ill\b",
    r"\basks? nobody\b",
    r"\bsoon alone\b",
    r"\bits deed\b",
    r"\banother word\b",
    r"\bheld to\b",
    r"\bis there already\b",
    r"\bthere already\b",
    r"\bas it is\b(?! (?:today|now))",
    r"\bfit (?:to|for) be\b",
    r"\bin step\b",
    r"\bthe like\b",
    r"\bbears? (?:the|a|an|its|no)\b",
    r"\bgoes? on\b",
    r"\bat the most\b",
    r"\banew\b",
    r"\bthe rest goes on\b",
    r"\bletters? by lot\b",
    r"\bso many\b",
    r"\bgives? how many\b",
    r"\bgives (?:none|what|the|a|an|which)\b",
    r"\bwhat(?:ever)? (?:became|becomes|came|comes) of\b",
    r"\bcomes to (?:stand|nothing)\b",
    r"\bwithout end\b",
    r"\bupon its\b",
    r"\bill-formed word\b",
    r"\bthe owner's words?\b",
    r"\bonly then\b(?! does)",
    r"\bwe are not told\b",
    r"\bas if by\b",
    r"\bthe same for ever\b|\bfor ever\b",
    r"\bshall (?:lack|not|be|have)\b",
    r"\btakes? others along\b",
    r"\bcharged with an attempt\b",
    r"\bwait(?:s|ed)? in all\b",
    r"\brefused for good\b",
    r"\bdead addresses\b",
    r"\bfamilies tak(?:e|ing) turns\b",
    r"\bfiles that exist keep\b",
    r"\bhe (?:is|has|was|lives|dies|may|sends|holds)\b",
)
"""Phrases that read like a translation; each has a plain equivalent (contributing.md, "Voice")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """One docstring and its place."""

    path: Path
    line: int
    owner: str
    """``function``, ``class``, ``module`` or ``attribute``."""
    sentence: str
    """Its first sentence, on one line, without its full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the first sentences of function docstrings look like, as shares of 1 and words."""

    count: int
    relative: float
    negated: float
    median_words: float


def docstrings(root: Path) -> Iterator[Docstring]:
    """Yield the docstrings of all modules below *root*, those of attributes included."""
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            yield from _of_node(path, node)


def _of_node(path: Path, node: ast.AST) -> Iterator[Docstring]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        owner = "function"
    elif isinstance(node, ast.ClassDef):
        owner = "class"
    elif isinstance(node, ast.Module):
        owner = "module"
    else:
        return
    for at, statement in enumerate(node.body):
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            continue
        text = statement.value.value
        if isinstance(text, str):
            kind = owner if at == 0 else "attribute"
            yield Docstring(
                path=path, line=statement.lineno, owner=kind, sentence=first_sentence(text)
            )


def first_sentence(text: str) -> str:
    """Return the first sentence of *text* on one line."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return _SENTENCE_END.split(paragraph, maxsplit=1)[0].rstrip(".:")


def is_relative(sentence: str) -> bool:
    """Return True if *sentence* begins with a relative clause such as "What is due"."""
    return bool(_RELATIVE.match(sentence))


def is_negated(sentence: str) -> bool:
    """Return True if *sentence* says what is not; names in backquotes do not count."""
    return bool(_NEGATED.search(_CODE.sub("", sentence)))


def measure(found: Iterable[Docstring]) -> Figures:
    """Count over the function docstrings among *found*."""
    sentences = [each.sentence for each in found if each.owner == "function"]
    return Figures(
        count=len(sentences),
        relative=sum(map(is_relative, sentences)) / len(sentences),
        negated=sum(map(is_negated, sentences)) / len(sentences),
        median_words=median(len(each.split()) for each in sentences),
    )


def prose_files() -> list[Path]:
    """List the files whose words people read: code, templates, docs and examples."""
    patterns = ("digestbot/**/*.py", "templates/**/*", "docs/*.md", "docs/*.py")
    files = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    names = ("README.md", "CHANGELOG.md", "Makefile", "config.example.yaml", "pyproject.toml")
    return sorted([*files, *(ROOT / name for name in names)])


def phrases_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield each phrase of `PHRASES` in *text* with its line, counted from 1."""
    flat = re.sub(r"[ \t]*\n[ \t]*(?:#[ \t]*|[ \t]*)", lambda m: "\n", text)
    joined = flat.replace("\n", " ")
    for pattern in PHRASES:
        for found in re.finditer(pattern, joined, re.I):
            yield flat.count("\n", 0, found.start()) + 1, found[0]


def main() -> None:
    """Print the figures; with ``-v`` also what to rewrite."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "digestbot")
    parser.add_argument("-v", "--verbose", action="store_true", help="list what to rewrite")
    options = parser.parse_args()
    found = list(docstrings(options.folder))
    figures = measure(found)
    print(f"{figures.count} function docstrings in {options.folder.name}")  # noqa: T201
    print(f"begin with What, Whether, Those …   {figures.relative:6.1%}   (below 3 %)")  # noqa: T201
    print(f"negated first sentence              {figures.negated:6.1%}   (below 8 %)")  # noqa: T201
    print(f"median words in the first sentence  {figures.median_words:6.1f}   (at most 10)")  # noqa: T201
    if options.verbose:
        for each in found:
            if is_relative(each.sentence) or is_negated(each.sentence):
                print(f"{each.path}:{each.line}: {each.owner}: {each.sentence}")  # noqa: T201
        for path in prose_files():
            if path.is_relative_to(options.folder) or options.folder == ROOT / "digestbot":
                for line, phrase in phrases_in(path.read_text(encoding="utf-8")):
                    print(f"{path}:{line}: phrase: {phrase}")  # noqa: T201


if __name__ == "__main__":
    main()
