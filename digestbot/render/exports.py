"""
An edition for other programs: JSON (part of the CLI's contract), Markdown and BibTeX.

Begin at `json_text`, `markdown` or `bibtex`.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime

from digestbot.model import Batch, Edition, EditionPaper, Paper, SourceCoverage
from digestbot.render.context import RenderContext
from digestbot.render.language import Language
from digestbot.render.sanitize import Span, line, rfc3339, url
from digestbot.render.view import (
    ShownEdition,
    ShownPaper,
    by_section,
    changes,
    names,
    over_limit,
    show,
    show_paper,
    title_of,
    waiting_papers,
)

LIST_MAX = 10_000
"""Papers in `paper_list`: about 2 MB."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Inline markup of CommonMark 0.31 and GitHub: emphasis, code, links, HTML, tables, math, entities,
# bare links, emoji. Below it, what begins a block at the start of a line.
_MARKDOWN = re.compile(
    r"([\\`*_{}\[\]<|~$]|&(?=#?\w+;)|:(?=//|[\w+-]+:)|(?<=www)\.)", re.IGNORECASE
)
_BLOCK_START = re.compile(r"^(\d*)(?=[#+>=.)-])")
_IN_FRONT_MATTER = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<[`"}
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_BIBTEX = {
    "\\": r"\textbackslash{}",
    # Not \{: BibTeX counts braces before TeX sees the backslash.
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_STOP_WORDS = frozenset({"a", "an", "the", "on", "of", "in", "to", "and", "for", "with", "from"})


def json_text(edition: Edition, context: RenderContext) -> str:
    """
    Return the whole edition as JSON, ending with a line break.

    Times are UTC in ISO 8601 with a Z; text is as stored, plain and raw. Keys may be added but are
    never removed.
    """
    facts = {
        "digest": edition.digest,
        "title": edition.title,
        "edition": edition.name,
        "slot": edition.slot,
        "created_at": _time(edition.created_at),
        "from_seq": edition.from_seq,
        "to_seq": edition.to_seq,
        "papers": [_paper(entry) for entry in edition.papers],
        "omitted": edition.omitted,
        "more": [_line(entry) for entry in edition.more],
        "waiting": edition.waiting,
        "carried": edition.carried,
        "covers_from": _time(edition.covers_from),
        "covers_to": _time(edition.covers_to),
        "considered": edition.considered,
        "coverage": [_coverage(coverage) for coverage in edition.coverage],
        "next_edition_at": _time(context.next_edition_at),
    }
    # Python strings may contain lone surrogates, UTF-8 cannot.
    return _LONE_SURROGATE.sub("\ufffd", json.dumps(facts, ensure_ascii=False, indent=2)) + "\n"


def _paper(entry: EditionPaper) -> dict[str, object]:
    paper = entry.paper
    return {
        "id": paper.id,
        "version": paper.version,
        "type": entry.type.value,
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": [author.name for author in paper.authors],
        "categories": list(paper.categories),
        "primary_category": paper.primary_category,
        "published": _time(paper.published),
        "published_is_date": paper.published_is_date,
        "updated": _time(paper.updated),
        "updated_is_date": paper.updated_is_date,
        "comment": paper.comment,
        "journal_ref": paper.journal_ref,
        "doi": paper.doi,
        "url": paper.url,
        "pdf_url": paper.pdf_url,
        "document_type": paper.document_type.value,
        "source": entry.source,
        "seen_at": _time(entry.seen_at),
        "score": entry.score,
        "matched": _matched(entry),
        "title_raw": paper.title_raw,
        "abstract_raw": paper.abstract_raw,
        "previous_version": entry.previous.version if entry.previous else None,
        "changes": {
            change.field: {"from": change.before, "to": change.after} for change in changes(entry)
        },
    }


def _line(entry: EditionPaper) -> dict[str, object]:
    """Return what a one-line entry has: a paper beyond the limit."""
    paper = entry.paper
    return {
        "id": paper.id,
        "version": paper.version,
        "type": entry.type.value,
        "title": paper.title,
        "authors": [author.name for author in paper.authors],
        "url": paper.url,
        "source": entry.source,
        "score": entry.score,
        "matched": _matched(entry),
    }


def _matched(entry: EditionPaper) -> list[dict[str, object]]:
    return [
        {
            "field": match.field,
            "term": match.term,
            "text": match.text,
            "start": match.start,
            "end": match.end,
        }
        for match in entry.matches
    ]


def _coverage(coverage: SourceCoverage) -> dict[str, object]:
    return {
        "source": coverage.source,
        "announced": coverage.announced,
        "matched": coverage.matched,
        "omitted": coverage.omitted,
        "first_at": _time(coverage.first_at),
        "last_at": _time(coverage.last_at),
        "categories": [
            {"category": c.category, "announced": c.announced, "matched": c.matched}
            for c in coverage.categories
        ],
        "status": coverage.status,
        "as_of": _time(coverage.as_of),
        "note": coverage.note,
        "batches": [_batch(batch) for batch in coverage.batches],
    }


def _batch(batch: Batch) -> dict[str, object]:
    return {
        "category": batch.category or None,
        "day": batch.day.isoformat(),
        "state": batch.state.value,
        "papers": batch.papers,
        "verified_at": _time(batch.verified_at),
        "verified_by": [channel.value for channel in batch.verified_by],
        "unverified": [channel.value for channel in batch.unverified],
        "missing": {channel.value: number for channel, number in batch.missing.items()},
    }


def _time(when: datetime | None) -> str | None:
    return rfc3339(when) if when else None


def markdown(edition: Edition, context: RenderContext) -> str:
    """
    Return the edition in CommonMark with YAML front matter.

    Obsidian shows the front matter as properties. Text from papers is escaped, so it never becomes
    markup.
    """
    shown = show(edition, context)
    rows = (*_front_matter(edition, context), *_markdown_lines(shown, context.lang))
    return "\n".join(rows).rstrip("\n") + "\n"


def _front_matter(edition: Edition, context: RenderContext) -> Iterator[str]:
    facts = {
        "title": title_of(edition),
        "date": edition.created_at.astimezone(context.timezone).date().isoformat(),
        "digest": line(edition.digest),
        "edition": edition.number,
        "papers": len(edition.papers),
        "omitted": edition.omitted,
        "tags": ["digestbot", "papers"],
    }
    yield "---"
    for key, value in facts.items():
        # JSON values are valid YAML, but Obsidian needs a bare date. Programs without front matter
        # show this as a heading, so it must contain neither HTML nor links.
        written = json.dumps(value, ensure_ascii=False)
        shown = written.translate(_IN_FRONT_MATTER) if isinstance(value, str) else written
        yield f"{key}: {value if key == 'date' else shown}"
    yield "---\n"


def _markdown_lines(shown: ShownEdition, lang: Language) -> Iterator[str]:
    yield f"# {_md(shown.title)}"
    yield f"\n{_md(shown.date)} · **{_md(shown.count)}**\n"
    if shown.missing:
        incomplete = lang.gettext("This edition is incomplete.")
        follow_up = lang.gettext("Missing papers will follow in a later one.")
        yield f"**{_md(incomplete)}** {_md(follow_up)}\n"
        yield from (f"- {_md(sentence)}" for sentence in shown.missing)
        yield ""
    if not shown.sections:
        yield _md(lang.gettext("Nothing new matched this time.")) + "\n"
    for section in shown.sections:
        if section.title:
            yield f"## {_md(section.title)}\n"
        for paper in section.papers:
            yield from _markdown_paper(paper, lang)
    if shown.more:
        yield _md(over_limit(shown.listed, shown.limit, lang)) + "\n"
        yield from (_markdown_line(paper, lang) for paper in shown.more)
        yield ""
    if shown.waiting:
        yield _md(waiting_papers(shown.waiting, shown.limit, lang)) + "\n"
    yield from _markdown_footer(shown)


def _markdown_paper(paper: ShownPaper, lang: Language) -> Iterator[str]:
    title = _marked(paper.title)
    yield f"### {paper.number}\\. " + (f"[{title}]({_target(paper.url)})" if paper.url else title)
    yield ""
    if paper.authors:
        yield _md(names(paper, lang)) + "  "
    facts = (paper.badge, *paper.categories, paper.identifier, paper.date)
    yield " · ".join(_md(fact) for fact in facts if fact) + "  "
    if paper.changes:
        yield f"**{_md(paper.changes)}**  "
    if paper.comment:
        yield _md(lang.gettext("Comment: %(text)s", text=paper.comment)) + "  "
    if paper.journal:
        yield _md(lang.gettext("Journal: %(text)s", text=paper.journal)) + "  "
    if paper.why:
        terms = " · ".join(paper.why)
        yield _md(lang.gettext("Matches: %(terms)s", terms=terms)) + "  "
    links = (
        (lang.gettext("Abstract"), paper.url),
        ("PDF", paper.pdf_url),
        (f"DOI {paper.doi}", paper.doi_url),
    )
    targets = [f"[{_md(label)}]({_target(target)})" for label, target in links if target]
    if targets:
        yield " · ".join(targets)
    yield ""
    if paper.abstract:
        yield _marked(paper.abstract) + "\n"


def _markdown_line(paper: ShownPaper, lang: Language) -> str:
    title = _md(paper.title_text)
    parts = (
        f"[{title}]({_target(paper.url)})" if paper.url else title,
        _md(names(paper, lang, 1)),
        _md(" · ".join(paper.terms)),
    )
    return "- " + " · ".join(part for part in parts if part)


def _markdown_footer(shown: ShownEdition) -> Iterator[str]:
    yield f"---\n\n{_md(shown.covers)} {_md(shown.totals)}\n"
    yield from (_md(sentence) + "\n" for sentence in shown.batches)
    for source in shown.sources:
        counted = f" ({', '.join(source.categories)})" if source.categories else ""
        yield f"- {_md(f'{source.name}: {source.summary}{counted}')}"
    if shown.sources:
        yield ""
    for sentence in (shown.next_edition, shown.acknowledgement):
        if sentence:
            yield _md(sentence) + "\n"


def _marked(parts: Sequence[Span]) -> str:
    """Set hits in bold. CommonMark requires the stars to touch the text."""
    shown = []
    for part in parts:
        text = _md(part.text)
        core = text.strip()
        bold = text.replace(core, f"**{core}**", 1) if part.hit and core else text
        shown.append(bold)
    return "".join(shown)


def _md(text: str) -> str:
    """Escape *text* for Markdown."""
    flat = _MARKDOWN.sub(r"\\\1", re.sub(r"\s", " ", text))
    # GitHub looks for @names after resolving escapes, so only an extra character helps.
    return _MENTION.sub("@\u200b", _BLOCK_START.sub(r"\1\\", flat))


def _target(link: str | None) -> str:
    """Percent-encode parentheses, which would end a link's destination."""
    return (link or "").replace("(", "%28").replace(")", "%29")


def paper_list(edition: Edition, context: RenderContext) -> str:
    """
    Return all papers of the edition as text, one line each, for a file attached to the mail.

    It ends with a count of the papers beyond `LIST_MAX`.
    """
    lang = context.lang
    entries = (*by_section(edition.papers), *edition.more)
    rows = [title_of(edition), ""]
    for number, entry in enumerate(entries[:LIST_MAX], start=1):
        paper = show_paper(entry, context, number=number, abstract=0)
        parts = (paper.title_text, names(paper, lang, 1), " · ".join(paper.terms), paper.url)
        rows.append(f"{number}. " + " | ".join(part for part in parts if part))
    rest = len(entries) - LIST_MAX
    if rest > 0:
        rows.append(lang.ngettext("and %(number)s more paper", "and %(number)s more papers", rest))
    return "\n".join(rows) + "\n"


def bibtex(edition: Edition, context: RenderContext) -> str:
    """Return one entry per paper, with stable, unique ASCII keys."""
    keys: set[str] = set()
    entries = []
    for entry in (*edition.papers, *edition.more):
        key = _unused(_key(entry.paper), keys)
        keys.add(key)
        entries.append(_entry(entry.paper, key))
    # BibTeX has no comments: text between entries is ignored, but an @ would begin an entry.
    heading = f"% {line(edition.title)}, {line(edition.name)}".replace("@", " at ")
    return "\n".join([heading + "\n", *entries])


def _entry(paper: Paper, key: str) -> str:
    fields = [f"  {name} = {{{value}}}" for name, value in _fields(paper)]
    kind = "article" if paper.journal_ref else "misc"
    return f"@{kind}{{{key},\n" + ",\n".join(fields) + "\n}\n"


def _fields(paper: Paper) -> Iterator[tuple[str, str]]:
    yield "title", "{" + _latex_title(paper) + "}"
    if paper.authors:
        yield "author", " and ".join(_person(author.name) for author in paper.authors)
    when = paper.published or paper.updated
    if when:
        yield "year", str(when.year)
    if paper.journal_ref:
        yield "journal", _bib(paper.journal_ref)
    number = paper.id.removeprefix("arxiv:")
    if number != paper.id:
        yield "eprint", _bib(number)
        yield "archivePrefix", "arXiv"
        if paper.primary_category:
            yield "primaryClass", _bib(paper.primary_category)
    if paper.doi:
        yield "doi", _verbatim(paper.doi)
    link = url(paper.url)
    if link:
        yield "url", _verbatim(link)
    if paper.comment:
        yield "note", _bib(paper.comment)


def _latex_title(paper: Paper) -> str:
    """Return the raw title if it is safe LaTeX, else the escaped plain one."""
    raw = line(paper.title_raw)
    return raw if _is_sound_latex(raw) and not _UNSAFE_LATEX.search(raw) else _bib(paper.title)


_UNSAFE_LATEX = re.compile(
    r"(?<!\\)[%#~&]|\\(?:input|include|write|read|open|def|let|catcode|csname|immediate|special)"
)
"""Comments and alignments swallow what follows; these commands reach beyond the title."""


def _is_sound_latex(text: str) -> bool:
    bare = re.sub(r"\\.", "", text)
    even_dollars = bare.count("$") % 2 == 0
    bare_scripts = re.search(r"[_^]", re.sub(r"\$[^$]*\$", "", bare))
    whole = even_dollars and not bare_scripts and not text.endswith("\\")
    return whole and _has_balanced_braces(text)


def _has_balanced_braces(text: str) -> bool:
    depth = 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0


def _bib(text: str) -> str:
    return "".join(_BIBTEX.get(letter, letter) for letter in line(text))


def _verbatim(text: str) -> str:
    """Remove braces from a DOI or link. BibTeX styles print the rest unchanged."""
    return re.sub(r"[{}\\\s]", "", line(text))


def _person(name: str) -> str:
    """Escape one name. Braces protect an "and" inside it."""
    escaped = _bib(name)
    return "{" + escaped + "}" if re.search(r"\band\b|,.*,", escaped) else escaped


def _key(paper: Paper) -> str:
    """Return family name, year and first significant word: ``perez2026serverless``."""
    family = paper.authors[0].name.split(",")[0].split()[-1:] if paper.authors else []
    when = paper.published or paper.updated
    words = (_ascii(word) for word in re.split(r"[\s/–—-]+", paper.title))
    first = next((word for word in words if word and word not in _STOP_WORDS), "")
    key = _ascii("".join(family)) + (str(when.year) if when else "") + first
    return key[:60] or _ascii(paper.id)[:60] or "paper"


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]", "", plain.lower())


def _unused(key: str, keys: set[str]) -> str:
    """Return *key*, with a number appended if it is taken."""
    number = 2
    unused = key
    while unused in keys:
        unused = f"{key}-{number}"
        number += 1
    return unused
