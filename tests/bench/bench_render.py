"""
What a personal mail costs, beside the plain way: ``make bench``.

The readers of one day: each has a filter, a title, an address and a token of his own, and gets his
own twenty of the day's real papers. Ours goes from the selected papers to the bytes of the message;
the plain way does the same with two whole Jinja pages and `EmailMessage`. In each run one message
is read back with the standard library and compared with the page.
"""

import argparse
import gc
import gzip
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, default
from email.utils import format_datetime
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jinja2 import Environment, pass_environment
from jinja2.filters import do_indent, do_wordwrap

from digestbot.addresses import make_message_id
from digestbot.config import Config, load_config
from digestbot.deliver.dkim import DkimSettings, Signer, open_signer
from digestbot.filters import evaluate, parse_filter
from digestbot.model import Announcement, Author, Edition, EditionPaper
from digestbot.pipeline.messages import frozen_message
from digestbot.render import RenderContext, bodies, load_templates, personalize
from digestbot.render.mail import subject
from digestbot.render.sanitize import clip
from digestbot.render.templates import COLUMNS, Templates, packaged_folder
from digestbot.render.view import ABSTRACTS, Cut, by_section, show, show_paper, template_globals
from digestbot.secret import Secret
from digestbot.text import plain
from tests.factories import NOW, make_announcement, make_coverage, make_edition, make_paper

SEED = 6
DAY = 60
"""Papers among which the readers choose."""
PAPERS = 20
ROUNDS = 15
HANDFUL = 10
"""Readers whose papers are selected, and then their mails made."""
PLAIN = 10
"""Mails of the plain way that are timed in each round."""
SHARE = 200
"""How many of ours the plain way must be worth."""
DKIM_S = 0.0007
WORDS = ("learning", "network", "graph", "language", "quantum", "image", "robust", "data", "code")
CONFIG = """\
smtp: {security: none, sender: "Digests <digests@example.org>"}
public_url: https://digests.example.org/
sources: {arxiv: {kind: arxiv, categories: [cs.DC]}}
digests: {systems: {sources: [arxiv], schedule: daily 09:00, filter: {any: [gpu]}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One personal mail to be made."""

    edition: Edition
    context: RenderContext
    address: str
    message_id: str
    token: str


def read_papers(corpus: Path, count: int) -> Iterator[Announcement]:
    """The first papers of the corpus, as the store would hold them."""
    with gzip.open(corpus / "papers" / "arxiv-papers-A.jsonl.gz", "rt", encoding="utf-8") as file:
        for row in map(json.loads, islice(file, count)):
            page = f"https://arxiv.org/abs/{row['id']}v1"
            paper = make_paper(
                id=f"arxiv:{row['id']}",
                title=plain(row["title"], one_line=True),
                abstract=plain(row["abstract"]),
                title_raw=row["title"],
                abstract_raw=row["abstract"],
                authors=tuple(Author(name=str(author)) for author in row["authors"]),
                categories=tuple(row["categories"]),
                comment=row["comment"],
                url=page,
                pdf_url=page.replace("/abs/", "/pdf/"),
            )
            yield make_announcement(paper=paper)


def make_readers(corpus: Path, templates: Templates, count: int) -> list[Reader]:
    """*count* readers, no two with the same papers; what a filter hits in a paper is found once."""
    dice = random.Random(SEED)
    told = tuple(read_papers(corpus, DAY))
    context = RenderContext(
        templates=templates,
        timezone=ZoneInfo("Europe/Berlin"),
        public_url="https://digests.example.org/",
        home_url="https://digests.example.org/",
        next_edition_at=NOW + timedelta(days=1),
        unsubscribe="https://digests.example.org/u/{token}",
    )
    filters = [parse_filter({"any": dice.sample(WORDS, 3)}) for _ in range(4)]
    judged = [[evaluate(each, paper) for paper in told] for each in filters]
    coverage = (make_coverage(), make_coverage(source="journals", announced=9))
    readers = []
    for number in range(count):
        own = dice.randrange(len(filters))
        papers = tuple(
            EditionPaper(
                seq=told[at].seq,
                paper=told[at].paper,
                type=told[at].type,
                source=told[at].source,
                seen_at=told[at].seen_at,
                score=judged[own][at].score,
                matches=judged[own][at].matches,
            )
            for at in dice.sample(range(DAY), PAPERS)
        )
        title = f"Papers for reader {number}"
        words = f"{filters[own].describe()}; and author {dice.random():.9f}"
        readers.append(
            Reader(
                edition=make_edition(
                    papers,
                    title=title,
                    number=dice.randint(1, 200),
                    considered=DAY,
                    coverage=coverage,
                ),
                context=replace(context, filter_in_words=words),
                address=f"reader{number}@example.org",
                message_id=make_message_id(str(number), domain="example.org"),
                token=f"{dice.getrandbits(160):040x}",
            )
        )
    return readers


def ours(config: Config, reader: Reader) -> bytes:
    """From the selected papers to the message."""
    mail = bodies(reader.edition, reader.context)
    return personalize(
        frozen_message(config, reader.edition, mail, reader.context),
        recipient=reader.address,
        message_id=reader.message_id,
        date=NOW,
        text=mail.text,
        html=mail.html,
        token=reader.token,
    )


def write_pages(folder: Path) -> None:
    """Our templates as two whole pages, as one would write them."""
    for form in ("html", "txt"):
        page = _source("frame", form)
        for part in ("masthead", "footer"):
            page = _included(page, part, form)
        page = page.replace("{{- footer", "{%- footer")
        papers = (
            '{% for paper in papers %}{% set number = "%3d." % loop.index %}'
            f'{{% include "mail/paper.{form}.j2" %}}{{% endfor %}}'
        )
        page = page.replace("{{- papers }}", papers).replace("{{- incomplete }}\n", "")
        page = page.replace("{{ preheader }}", "{{ first }}")
        (folder / f"page.{form}.j2").write_text(page)
        footer = _source("footer", form)
        for part in ("coverage", "reason", "unsubscribe", "acknowledgement"):
            footer = _included(footer, part, form)
        (folder / "mail").mkdir(exist_ok=True)
        (folder / f"mail/footer.{form}.j2").write_text(footer)


def _source(name: str, form: str) -> str:
    return (packaged_folder() / f"mail/{name}.{form}.j2").read_text()


def _included(page: str, part: str, form: str) -> str:
    include = f'include "mail/{part}.{form}.j2"'
    for opening, closing in (("{{ ", " }}"), ("{{- ", " }}"), ("{{- ", " -}}")):
        block = f"{opening}{part}{closing}".replace("{{", "{%").replace("}}", "%}")
        page = page.replace(f"{opening}{part}{closing}", block.replace(part, include))
    return page


@pass_environment
def wordwrap(environment: Environment, text: str, indent: int = 0, first: str = "") -> str:
    """`fill` by what Jinja brings, as the plain way has it."""
    lines = do_wordwrap(environment, text, COLUMNS - indent)
    return first + do_indent(lines, indent, first=not first)


def pages(templates: Templates, reader: Reader) -> tuple[str, str, str]:
    """Subject, text and HTML of the plain way."""
    context = reader.context
    shown = replace(
        show(reader.edition, context, Cut(papers=0, lines=0)),
        unsubscribe=f"https://digests.example.org/u/{reader.token}",
        unshown=0,
    )
    first = "; ".join(
        clip(entry.paper.title, 90) for entry in by_section(reader.edition.papers)[:3]
    )
    papers = [
        show_paper(entry, context, number=number, abstract=ABSTRACTS[context.theme])
        for number, entry in enumerate(by_section(reader.edition.papers), start=1)
    ]
    title = subject(reader.edition, context)
    facts = {
        **template_globals(context),
        "edition": shown,
        "papers": papers,
        "heading": "h2",
        "title": title,
        "first": clip(first, 140),
        "style": templates.styles.kept,
    }
    return title, templates.render("page.txt.j2", facts), templates.render("page.html.j2", facts)


def plain_way(templates: Templates, reader: Reader) -> bytes:
    """The plain way to the same message."""
    title, text, html = pages(templates, reader)
    message = EmailMessage(policy=SMTP.clone(max_line_length=998))
    message["Date"] = format_datetime(NOW)
    message["From"] = "Digests <digests@example.org>"
    message["To"] = reader.address
    message["Message-ID"] = reader.message_id
    message["Subject"] = title
    message["List-Id"] = f"{reader.edition.title} <systems.example.org>"
    message["List-Unsubscribe"] = f"<https://digests.example.org/u/{reader.token}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message.as_bytes()


def check(templates: Templates, config: Config, reader: Reader) -> None:
    """
    Raises:
        AssertionError: What the standard library reads in our message is not the page.
    """
    message = BytesParser(EmailMessage, policy=default).parsebytes(ours(config, reader))
    assert isinstance(message, EmailMessage)
    title, text, html = pages(templates, reader)
    assert message["Subject"] == title
    assert message["To"] == reader.address
    assert f"u/{reader.token}>" in message["List-Unsubscribe"]
    for subtype, page in (("plain", text), ("html", html)):
        part = message.get_body((subtype,))
        assert part is not None
        assert part.get_content().replace("\r\n", "\n") == page, f"{subtype} is not the page"
        assert reader.token in page


def new_signer() -> Signer:
    """Signs with RSA-2048."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return open_signer(DkimSettings(domain="example.org", selector="s", key=Secret(pem)))


def timed(readers: Sequence[Reader], make: Callable[[Reader], object]) -> float:
    """
    Seconds of the processor for one reader: what else the machine does is not counted.

    Each edition is a fresh one, as it comes from being selected.
    """
    gc.collect()
    taken = 0.0
    for begin in range(0, len(readers), HANDFUL):
        some = [selected(reader) for reader in readers[begin : begin + HANDFUL]]
        start = time.process_time()
        for reader in some:
            make(reader)
        taken += time.process_time() - start
    return taken / len(readers)


def selected(reader: Reader) -> Reader:
    """The same, its papers selected just now."""
    papers = tuple(replace(entry) for entry in reader.edition.papers)
    return replace(reader, edition=replace(reader.edition, papers=papers))


def main() -> int:
    """Print what each way costs; 1 if ours costs too much."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--readers", type=int, default=300)
    options.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = options.parse_args()
    corpus = os.environ.get("DIGESTBOT_CORPUS")
    if not corpus:
        sys.exit("DIGESTBOT_CORPUS names no folder with papers")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_pages(folder)
        (folder / "config.yaml").write_text(CONFIG)
        config = load_config(folder / "config.yaml", {})
        templates, whole, usual = load_templates(), load_templates(folder), load_templates(folder)
        usual.text.filters["fill"] = wordwrap
        readers = make_readers(Path(corpus), templates, chosen.readers)
        check(whole, config, readers[0])
        signer = new_signer()
        first_s = timed(readers, lambda reader: ours(config, reader))
        messages = {reader.address: ours(config, reader) for reader in readers}
        # In turns, and the middle of many: what slows the machine down slows all of them.
        rounds = [
            (
                timed(readers[:PLAIN], lambda reader: plain_way(usual, reader)),
                timed(readers, lambda reader: ours(config, reader)),
                timed(readers, lambda reader: signer.sign(messages[reader.address])),
            )
            for _ in range(ROUNDS)
        ]
        plain_s, ours_s, dkim_s = (median(each) for each in zip(*rounds, strict=True))
        times = median(plain_s / ours_s for plain_s, ours_s, _ in rounds)
        check(whole, config, readers[-1])
    size = sum(map(len, messages.values())) / len(messages)
    figures = {
        "readers": len(readers),
        "message_bytes": round(size),
        "plain_us": round(plain_s * 1e6),
        "ours_us": round(ours_s * 1e6, 1),
        "times": round(times),
        "first_us": round(first_s * 1e6),
        "dkim_us": round(dkim_s * 1e6),
    }
    if chosen.json:
        print(json.dumps(figures))  # noqa: T201
    else:
        print(table(figures))  # noqa: T201
    return 0 if times >= SHARE and dkim_s <= DKIM_S else 1


def table(figures: dict[str, int | float]) -> str:
    """*figures* for people."""
    return "\n".join(
        (
            f"a personal digest of {PAPERS} papers, {figures['message_bytes'] / 1000:.0f} KB,"
            f" {figures['readers']:,} readers",
            f"  plain way: two Jinja pages, EmailMessage  {figures['plain_us'] / 1000:9.1f} ms",
            f"  ours, from fragments                      {figures['ours_us'] / 1000:9.3f} ms"
            f"   1/{figures['times']}, at most 1/{SHARE}",
            f"  ours, the papers still to be rendered     {figures['first_us'] / 1000:9.2f} ms",
            f"  DKIM with RSA-2048                        {figures['dkim_us'] / 1000:9.2f} ms"
            f"   at most {DKIM_S * 1000:.1f} ms",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
