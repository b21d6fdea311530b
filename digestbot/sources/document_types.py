"""
Tell from its title what an item of a journal is: a paper, an editorial, a correction, a cover …

A title counts only as a whole or by a form that publishers reserve for it, so that "An editorial
decision model" stays a paper. Begin at `document_type`.
"""

import re
from collections.abc import Iterable

from digestbot.model import NOTICES, DocumentType

MAX_TITLE = 500
"""Characters of a title, comment or abstract that are searched."""

_SEPARATOR = r"(?: ?[:–—] ?| - |\.?$| ?[“‘\"«])"
_FRONT = (
    r"(?:(?:editorial|advisory|international|associate|review|and) ?){1,4} boards?"
    r"(?: members| page|,? and .{1,80}| ?[(/–—-].{1,80})?|"
    r"(?:issue |journal |publication |society |author )?information(?: ?[-–—] ?toc)?|"
    r"(?:(?:instructions|guidelines?|guide|notes?)|.{0,90}\binformation) (?:for|to) "
    r"(?:authors|contributors|reviewers|readers)|"
    r"(?:issue )?(?:editorial |publication )?(?:masthead|publication information)|"
    r"(?:ieee|acm|proceedings) .{3,90} (?:(?:publication|society) information|"
    r"institutional listings)|"
    r"(?:table of )?contents(?: (?:list|continued|page)s?)?|toc|graphical (?:contents|toc)|"
    r"(?:(?:inside|outside|front|back|journal|issue|full)[ -]?){0,3}cover"
    r"(?: (?:\d{1,2}|image|picture|page|art|caption|and .{1,40}))?|"
    r"(?:front|back|end) ?matter|frontispiece|title ?page|(?:ifc|ibc|ofc|obc|cover \d)"
    r"(?: ?[(:/–—-].{0,60})?|copyright(?: (?:page|notice|information))?|blank page|"
    r"preliminary pages|(?:author|subject|keyword|volume|annual|cumulative|reviewer)s?"
    r"(?: and \w+)? index(?: (?:to|of|for) (?:volumes?|\d).{0,40}|[,:] .{0,40})?|"
    r"\d{4} index (?:ieee|proceedings|vol).{0,150}|(?:full|complete) issue(?: pdf)?|"
    r"staff(?: list)?|(?:(?:list of|thanks? (?:to|you)|acknowledge?ments? (?:of|to))[, ]*)?"
    r"(?:the |our |to )*(?:peer )?(?:reviewers|referees)(?: (?:list|acknowledge?ments?))?"
    r"(?: (?:in )?\d{4})?|(?:about|in) this issue|issue highlights"
)
_COVERS = (
    r"(?:(?:inside|outside|front|back) ?){1,3}cover(?: \w+)?(?:: | ?\()|"
    r"(?:cover (?:picture|image|feature|art|caption|story)|frontispiece|titelbild|umschlagbild|"
    r"graphical abstract|issue information): "
)
_EDITORIALS = (
    rf"(?:guest |lead |invited |special issue )?editorials?(?:{_SEPARATOR}|\. | (?:for|to|on|"
    rf"introduction|note|comment)\b)|guest editorial\b|guest editors?['’]?s?['’]? "
    rf"(?:introduction|note)|"
    rf"(?:preface|foreword)(?:{_SEPARATOR}| to the (?:special|theme|virtual))|"
    r"(?:a )?(?:note|message|letter|word)s? from the (?:guest )?(?:editor|president|chair)|"
    rf"from the (?:guest )?(?:editors?|president)(?:{_SEPARATOR}|['’])|"
    r"editors?['’]?s?['’]? (?:notes?|"
    rf"corner|introduction|preface|page|message){_SEPARATOR}|"
    r"introduction to the (?:special|theme|thematic|virtual) (?:issue|section|collection)\b"
)
_COLUMNS = (
    r"\[(?:guest )?(?:editorial|from the (?:guest )?editors?|editor['’]?s?['’]? (?:corner|note|"
    r"desk|page|message)|president['’]s (?:message|page|corner)|from the president)\]$"
)
_CORRECTIONS = (
    r"(?:author(?:s['’]|['’]s)? |publisher(?:['’]s)? |editorial )?corrections?"
    rf"(?: (?:notice|note))?(?: (?:to|for))?{_SEPARATOR}|"
    r"correction (?:to|for):? ?(?:[“‘\"«]|[\w' -]{2,40} et al\.?,)|"
    r"correction for [^\W\d_][\w'’-]{1,30}, |"
    r"(?:corrigend(?:um|a)|errat(?:um|a)|addend(?:um|a))(?: |:|$)|published erratum|"
    r"publisher['’]s note ?:"
)
_CORRECTION_ENDS = r"[\[(](?:corrigendum|erratum|addendum|correction)[\])]\.?$"
_WORK = r"(?: (?:article|paper|chapter|manuscript|publication|preprint))?"
_RETRACTIONS = (
    rf"[\[(]?(?:retracted|removed){_WORK}(?:[\])]| ?:|$)|"
    rf"[\[(]?(?:partial |article )?retraction(?: (?:note|notice|statement))?{_WORK}"
    rf"(?: (?:to|of|for))?(?:[\])]|{_SEPARATOR})|"
    r"retraction (?:notice|note) (?:to|of|for|on)\b|(?:notice|statement) of (?:\w+ )?retraction\b|"
    r"retraction (?:to|for):? ?[\w' -]{2,40} et al\.?,|temporary removal:|removal notice"
)
_RETRACTION_ENDS = rf"[\[(](?:retracted|retraction){_WORK}[\])]\.?$|[–—-] ?retracted{_WORK}$"
_WITHDRAWALS = (
    rf"[\[(]?withdrawn{_WORK}(?:[\])]| ?:|$)|(?:article|paper|notice of|statement of) "
    r"withdrawal(?: ?:|$| of [“‘\"«])|"
    r"withdrawal (?:notice|note|statement)(?: ?:|$| (?:to|of|for)\b)"
)
_CONCERNS = (
    r"(?:editorial |editor['’]s |publisher['’]s )?(?:notice of )?expression of "
    rf"(?:editorial )?concern(?: (?:to|for|regarding)\b|{_SEPARATOR})"
)
_NEWS = (
    r"(?:news|announcements?|events|people|classifieds?|advertisements?|conference "
    r"(?:calendar|announcements?)|upcoming (?:events|meetings)|(?:news|research) "
    r"(?:in brief|roundup|briefing))$|in memory of\b|"
    r"(?:obituar(?:y|ies)|in memoriam|calendar(?: of events)?|call for "
    rf"(?:papers|participation|nominations|proposals)|announcement){_SEPARATOR}"
)


def _start(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{pattern})", re.IGNORECASE)


_TITLES = (
    # The gravest first: "Erratum to: Retraction note" is rare, "[Retracted] Editorial" is not.
    (DocumentType.RETRACTION, _start(_RETRACTIONS), _start(_RETRACTION_ENDS)),
    (DocumentType.WITHDRAWAL, _start(_WITHDRAWALS), None),
    (DocumentType.CONCERN, _start(_CONCERNS), None),
    (DocumentType.CORRECTION, _start(_CORRECTIONS), _start(_CORRECTION_ENDS)),
    (DocumentType.FRONT_MATTER, _start(rf"(?:{_FRONT})\.?$|{_COVERS}"), None),
    (DocumentType.EDITORIAL, _start(_EDITORIALS), _start(_COLUMNS)),
    (DocumentType.NEWS, _start(_NEWS), None),
)
_NAMES = {
    "retraction": DocumentType.RETRACTION,
    "retraction note": DocumentType.RETRACTION,
    "retraction notice": DocumentType.RETRACTION,
    "retracted article": DocumentType.RETRACTION,
    "retracted publication": DocumentType.RETRACTION,
    "withdrawn": DocumentType.WITHDRAWAL,
    "withdrawal": DocumentType.WITHDRAWAL,
    "expression of concern": DocumentType.CONCERN,
    "correction": DocumentType.CORRECTION,
    "author correction": DocumentType.CORRECTION,
    "publisher correction": DocumentType.CORRECTION,
    "corrigendum": DocumentType.CORRECTION,
    "erratum": DocumentType.CORRECTION,
    "published erratum": DocumentType.CORRECTION,
    "addendum": DocumentType.CORRECTION,
    "editorial": DocumentType.EDITORIAL,
    "guest editorial": DocumentType.EDITORIAL,
    "preface": DocumentType.EDITORIAL,
    "front matter": DocumentType.FRONT_MATTER,
    "frontmatter": DocumentType.FRONT_MATTER,
    "masthead": DocumentType.FRONT_MATTER,
    "issue information": DocumentType.FRONT_MATTER,
    "table of contents": DocumentType.FRONT_MATTER,
    "cover": DocumentType.FRONT_MATTER,
    "news": DocumentType.NEWS,
    "obituary": DocumentType.NEWS,
    "announcement": DocumentType.NEWS,
}
"""Names in ``dc:type``, ``prism:section`` and ``prism:genre``, in lower case."""
_NOUN = r"(?:paper|article|manuscript|submission|preprint|note|work|entry|e-?print|version)"
_SAID = r"(?:(?:has|have|had|is|was|been|being|now|hereby|temporarily) ){1,4}"
_FROM = r"withdrawn\b(?! from (?!(?:the )?arxiv))"
_BEGINS_WITHDRAWN = re.compile(
    rf"(?:(?:this|the|our) )?(?:{_NOUN} )?(?:{_SAID})?{_FROM}|"
    r"(?:the )?authors? (?:has|have) withdrawn\b|the reason for (?:the )?withdrawal\b",
    re.IGNORECASE,
)
_SAYS_WITHDRAWN = re.compile(
    rf"(?<!version of )\b(?:this|the|our) {_NOUN} {_SAID}{_FROM}", re.IGNORECASE
)


def document_type(title: str, names: Iterable[str] = ()) -> DocumentType:
    """
    Return the type of an item.

    Args:
        title: Plain text on one line.
        names: What the publisher calls the item, such as its ``dc:type``.
    """
    bare = title[:MAX_TITLE].strip(" *\"'“”")
    end = title[-100:].strip()
    for type_, start, ending in _TITLES:
        if start.match(bare) or (ending and ending.search(end)):
            return type_
    known = (_NAMES.get(" ".join(name[:100].split()).casefold()) for name in names)
    return next(filter(None, known), DocumentType.PAPER)


def arxiv_document_type(title: str, comment: str | None, abstract: str) -> DocumentType:
    """Return the type of a version on arXiv, which says in words that it is withdrawn."""
    if "withdra" in (comment or "").lower() or "withdra" in abstract.lower():
        said, text = (" ".join(each[:MAX_TITLE].split()) for each in (comment or "", abstract))
        if _SAYS_WITHDRAWN.search(said) or any(map(_BEGINS_WITHDRAWN.match, (said, text))):
            return DocumentType.WITHDRAWAL
    lower = title.lower()
    if not any(stem in lower for stem in _NOTICE_STEMS):
        return DocumentType.PAPER
    found = document_type(title)
    return found if found in _ON_ARXIV else DocumentType.PAPER


_NOTICE_STEMS = (
    "retract", "remov", "withdr", "concern", "correct", "corrig", "errat", "addend", "note",
)  # fmt: skip
"""Parts of words, one of which each title of a notice has; few other titles do."""
_ON_ARXIV = NOTICES | {DocumentType.CORRECTION}
"""Types that titles on arXiv are trusted for; it has no covers."""
