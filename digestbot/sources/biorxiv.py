"""
bioRxiv and medRxiv as a source: every version of every preprint, by the day it was posted.

The dates are those of the posting, in Eastern US time: a preprint appears there up to a few days
after its submission. A version that enters the API later than `overlap` after its date is missed;
the API has no search, so filter by words in the digest. The service documents no limit; we keep one
request per second. Begin at `BiorxivOptions`; `read_page` parses a response.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from digestbot.errors import BadAnswer
from digestbot.sources.api_json import list_at, message_of, number_at, read_object, text_at
from digestbot.sources.feed_kind import shown
from digestbot.sources.web_api import (
    ApiPage,
    ApiRequest,
    ReadPage,
    Record,
    WebApiOptions,
    Window,
    under,
)

if TYPE_CHECKING:
    pass

_LIMITS = {"api.biorxiv.org": 1.0, "api.medrxiv.org": 1.0}
CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "biorxiv": (
        "animal behavior and cognition", "biochemistry", "bioengineering", "bioinformatics",
        "biophysics", "cancer biology", "cell biology", "clinical trials", "developmental biology",
        "ecology", "epidemiology", "evolutionary biology", "genetics", "genomics", "immunology",
        "microbiology", "molecular biology", "neuroscience", "paleontology", "pathology",
        "pharmacology and toxicology", "physiology", "plant biology",
        "scientific communication and education", "synthetic biology", "systems biology", "zoology",
    ),
    "medrxiv": (
        "addiction medicine", "allergy and immunology", "anesthesia", "cardiovascular medicine",
        "dentistry and oral medicine", "dermatology", "emergency medicine", "endocrinology",
        "epidemiology", "forensic medicine", "gastroenterology", "genetic and genomic medicine",
        "geriatric medicine", "health economics", "health informatics", "health policy",
        "health systems and quality improvement", "hematology", "hiv aids", "infectious diseases",
        "intensive care and critical care medicine", "medical education", "medical ethics",
        "nephrology", "neurology", "nursing", "nutrition", "obstetrics and gynecology",
        "occupational and environmental health", "oncology", "ophthalmology", "orthopedics",
        "otolaryngology", "pain medicine", "palliative medicine", "pathology", "pediatrics",
        "pharmacology and therapeutics", "primary care research",
        "psychiatry and clinical psychology", "public and global health", "radiology and imaging",
        "rehabilitation medicine and physical therapy", "respiratory medicine", "rheumatology",
        "sexual and reproductive health", "sports medicine", "surgery", "toxicology",
        "transplantation", "urology",
    ),
}  # fmt: skip
"""Subjects of the two servers, as in their navigation; in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BiorxivOptions(WebApiOptions):
    """Preprints of bioRxiv or medRxiv, all or by category."""

    server: Literal["biorxiv", "medrxiv"] = "biorxiv"
    """The server to read."""
    categories: tuple[str, ...] = ()
    """Subjects such as `cell biology`; all by default."""
    url: str = "https://api.biorxiv.org/details"
    """The API; change it to use a mirror or a test server."""
    backfill: timedelta = timedelta(days=7)
    """How far back the first fetch reports papers."""
    overlap: timedelta = timedelta(days=7)
    """How far behind the newest known paper to read again: some are listed late."""
    interval: timedelta = timedelta(seconds=1)
    """Time between requests; at least 1s for bioRxiv's own host."""
    max_pages: int = 1000
    """Limit of pages per pass; a page has 30 to 100 papers."""

    def __post_init__(self) -> None:
        for category in self.categories:
            _check_category(self.server, category)
        self.check_shared_keys()

    @property
    def limits(self) -> Mapping[str, float]:
        """See `WebApiOptions.limits`."""
        return _LIMITS

    @property
    def searched(self) -> str:
        """Server and categories."""
        return f"{self.server} {sorted(map(_subject, self.categories))}"

    def request(self, window: Window, cursor: str) -> ApiRequest:
        """Return the request for the records from number *cursor* on."""
        days = f"{window.first_day}/{window.last_day}"
        only = self.categories[0] if len(self.categories) == 1 else ""
        return ApiRequest(
            url=under(self.url, f"{self.server}/{days}/{cursor or '0'}/json"),
            params={"category": _subject(only).replace(" ", "_")} if only else {},
        )

    def reader(self, window: Window) -> ReadPage:
        """See `WebApiOptions.reader`."""
        return partial(read_page, categories=tuple(map(_subject, self.categories)))


def read_page(body: bytes, cursor: str, /, *, categories: tuple[str, ...] = ()) -> ApiPage:
    """
    Return the preprints in a response of ``/details``.

    The size of a page has changed over time, so the next one begins after the records received.

    Raises:
        BadAnswer: It is something else.
    """
    data = read_object(body)
    message: Any = next(iter(list_at(data, "messages")), {})
    status = text_at(message, "status").lower()
    found = data.get("collection")
    if not isinstance(found, list) or (status != "ok" and "no posts" not in status):
        said = status or message_of(data) or 'no list "collection"'
        raise BadAnswer(f'bioRxiv answered with an error: "{shown(said)}"')
    wanted = [each for each in found if not categories or _category(each) in categories]
    records = [record for each in wanted if (record := _record(each)) is not None]
    following = int(cursor or 0) + len(found)
    total = number_at(message, "total")
    is_last = not found or (total is not None and following >= total)
    return ApiPage(
        records=tuple(records),
        cursor=None if is_last else str(following),
        total=total,
        ignored=len(found) - len(wanted),
        skipped=len(wanted) - len(records),
    )


def _record(entry: Any) -> Record | None:
    from digestbot.sources.api_papers import Facts, author, authors, paper_from
    from digestbot.sources.author_lists import split_authors
    from digestbot.sources.dates import parse_date

    doi, version = text_at(entry, "doi"), number_at(entry, "version") or 1
    published = text_at(entry, "published")
    is_published = published.startswith("10.")
    posted = parse_date(text_at(entry, "date"))
    site = "www.medrxiv.org" if "med" in text_at(entry, "server").lower() else "www.biorxiv.org"
    names = split_authors(text_at(entry, "authors"), is_one=False)
    paper = paper_from(
        Facts(
            guid=f"https://{site}/content/{doi}",
            title=without_debris(text_at(entry, "title")),
            abstract=without_debris(text_at(entry, "abstract")),
            authors=authors(map(author, names)),
            identifiers=(doi, published) if is_published else (doi,),
            published=posted if version == 1 else None,
            updated=posted,
            version=version,
            journal="medRxiv" if "med" in site else "bioRxiv",
            comment=f"published as {published}" if is_published else "",
            categories=(text_at(entry, "category"),),
            pdf=f"https://{site}/content/{doi}v{version}.full.pdf",
            types=(text_at(entry, "type"),),
        )
    )
    if paper is None or not doi.startswith("10."):
        return None
    return Record(key=f"{doi}v{version}", paper=paper, at=posted.at if posted else None)


_MARKS = (
    "ST_ABS", "INLINEFIG", "SCPLOW", "SCPCAP", "TEXTBOX", "FIG", "TBL", "LST", "LI", "QD", "FD",
    "UL", "OL",
)  # fmt: skip
"""Elements whose tags remain in the text: ``O_LI`` opens and ``C_LI`` closes a list item."""
_BLOCKS = ("FIG", "TBL")
"""Figures and tables, whose links and sizes are in the text between their marks."""
_HEADING = "graphical abstract"
_LARGER = re.compile(r"O_LINKSMALLFIG[^>]{0,400}>|View larger version \([\dKMB ]{1,9}\):")
_VARDEF = re.compile(r"(?:org\.highwire\.dtl\.DTLVardef@[0-9a-f]+)+(?:_HPS_FORMAT_FIGEXP)?")
_TITLE_MARK = re.compile(r"O_ST_ABS(.{0,80}?)C_ST_ABS\s*", re.DOTALL)
_ITEM = re.compile(r"(?:\s*[OC]_LI)+\s*")
_GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda",
    "mu", "nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi",
    "omega",
)  # fmt: skip
_SIGNS = {
    "micro": "µ", "degrees": "°", "degree": "°", "+/-": "±", "middle dot": "·", "approx": "≈",
    "~": "~", "times": "×", "lower case phi": "φ", "infty": "∞", "perp": "⊥",
}  # fmt: skip
_BRACED = re.compile(r"\{([A-Za-z+/~-]{1,8}(?: [a-z]{1,5}){0,2})\}")
"""Sign that is spelled out: ``{beta}``, ``{micro}``, ``{+/-}``."""


def without_debris(text: str) -> str:
    """Drop what HighWire's conversion leaves in a text: figures, list marks, names of signs."""
    text = _BRACED.sub(_sign, text)
    if "_" not in text and "View larger" not in text:
        return text
    for name in _BLOCKS:
        text = _without_blocks(text, f"O_{name}", f"C_{name}")
    text = _VARDEF.sub(" ", _LARGER.sub(" ", text))
    text = _TITLE_MARK.sub(lambda found: f"{found[1].strip()}: " if found[1].strip() else "", text)
    for name in _MARKS:
        if f"O_{name}" in text and f"C_{name}" in text:  # a single one may be a name: NO_LIMIT
            mark = rf"[OCM]_{name}"
            text = _ITEM.sub("\n", text) if name == "LI" else re.sub(mark, "", text)
    return text.strip()


def _without_blocks(text: str, opening: str, closing: str) -> str:
    """Drop all from each *opening* mark to its *closing* one, with a heading before it."""
    parts, at = [], 0
    while (start := text.find(opening, at)) >= 0 and (end := text.find(closing, start)) >= 0:
        before = text[at:start].rstrip()
        is_headed = before[-len(_HEADING) :].lower() == _HEADING
        parts.append(before[: -len(_HEADING)] if is_headed else before)
        at = end + len(closing)
    return " ".join([*parts, text[at:]])


def _sign(found: re.Match[str]) -> str:
    name = found[1]
    if name.lower() not in _GREEK:
        return _SIGNS.get(name.lower(), found[0])
    size = "SMALL" if name.islower() else "CAPITAL"
    # Unicode's name of lambda has no b.
    return unicodedata.lookup(f"GREEK {size} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")


def _category(entry: Any) -> str:
    return _subject(text_at(entry, "category"))


def _subject(category: str) -> str:
    """Return *category* as in `CATEGORIES`."""
    return " ".join(re.sub(r"[_/]|\(.*", " ", category).split()).lower()


def _check_category(server: str, category: str) -> None:
    known = CATEGORIES[server]
    if _subject(category) in known:
        return
    near = difflib.get_close_matches(_subject(category), known, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else f"; it has {', '.join(known)}"
    raise ValueError(f'{server} has no category "{category[:60]}"{hint}')
