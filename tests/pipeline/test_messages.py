"""Frozen messages: every attempt sends the same bytes, whatever has changed since."""

import json
from dataclasses import replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from digestbot.config import Config, load_config
from digestbot.errors import InvalidAddress, PermanentFailure
from digestbot.model import Delivery, Form
from digestbot.pipeline import make_editions
from digestbot.pipeline.messages import (
    MessageBuilder,
    freeze,
    needed_forms,
    preview_message,
    render_context,
)
from digestbot.render import load_templates, render
from digestbot.store import Store
from digestbot.syncing import sync_config
from tests.factories import make_edition
from tests.pipeline.conftest import HEAD, MONDAY, paper
from tests.render.editions import HOSTILE
from tests.wire import assert_sound

FORMS = frozenset({Form.EML, Form.HTML, Form.TEXT, Form.JSON})
DIGEST = """\
  d:
    schedule: daily 09:00
    sources: [a]
    filter: {any: [serverless]}
    deliver: [{email: [one@example.org, two@example.org]}, {folder: out}]
"""
SMTP = 'smtp: {security: none, sender: "Papers <papers@example.org>"}\n'


@pytest.fixture
def deliveries(store: Store, tmp_path: Path) -> tuple[Delivery, ...]:
    """Deliveries of one edition of two papers, to two readers and a folder."""
    (tmp_path / "config.yaml").write_text(SMTP + HEAD + DIGEST)
    config = load_config(tmp_path / "config.yaml", {})
    store.papers.ingest("a", [paper(1), paper(2)], {}, MONDAY)
    sync_config(store, config, MONDAY)
    (made,) = make_editions(store, config, load_templates(None), now=MONDAY)
    assert made.error is None
    return tuple(reversed(store.outbox.list()))


def read(message: bytes) -> EmailMessage:
    parsed = BytesParser(EmailMessage, policy=default).parsebytes(message)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_a_message_is_the_same_at_every_attempt(
    store: Store, deliveries: tuple[Delivery, ...]
) -> None:
    for delivery in deliveries:
        first, second = (MessageBuilder(store).build(delivery, FORMS) for _ in range(2))
        assert first == second
        assert_sound(first.mime)


def test_readers_differ_in_address_and_message_id_only(
    store: Store, deliveries: tuple[Delivery, ...]
) -> None:
    builder = MessageBuilder(store)
    one, two = (builder.build(delivery, FORMS) for delivery in deliveries[:2])
    assert read(one.mime)["To"] == "one@example.org"
    assert read(one.mime)["Message-ID"] == deliveries[0].message_id
    assert one.mime.replace(b"one@", b"two@").replace(
        deliveries[0].message_id.encode(), deliveries[1].message_id.encode()
    ) == (two.mime)


def test_reading_ahead_for_one_kind_keeps_the_others(
    store: Store, deliveries: tuple[Delivery, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = MessageBuilder(store)
    builder.read_ahead(deliveries[:1], {Form.EML})
    builder.read_ahead((), {Form.SLACK})
    wanted = MessageBuilder(store).build(deliveries[0], {Form.EML})
    monkeypatch.setattr(store.editions, "rendition", lambda *_: pytest.fail("read once more"))
    assert builder.build(deliveries[0], {Form.EML}) == wanted


def test_the_message_has_the_text_of_its_forms(
    store: Store, deliveries: tuple[Delivery, ...]
) -> None:
    outgoing = MessageBuilder(store).build(deliveries[0], FORMS)
    message = read(outgoing.mime)
    for subtype, form in (("plain", Form.TEXT), ("html", Form.HTML)):
        part = message.get_body((subtype,))
        assert part is not None
        assert part.get_content().replace("\r\n", "\n") == outgoing.bodies[form]
    assert "Serverless at Scale" in outgoing.bodies[Form.HTML]
    assert message["List-Id"] == "d <d.example.org>"
    assert message["From"] == "Papers <papers@example.org>"


def test_a_message_for_a_folder_is_addressed_to_its_sender(
    store: Store, deliveries: tuple[Delivery, ...]
) -> None:
    outgoing = MessageBuilder(store).build(deliveries[2], FORMS)
    assert read(outgoing.mime)["To"] == "papers@example.org"


def test_a_missing_form_is_a_permanent_failure(
    store: Store, deliveries: tuple[Delivery, ...]
) -> None:
    with pytest.raises(PermanentFailure, match="d/1 has no markdown form in the store"):
        MessageBuilder(store).build(deliveries[0], {Form.MARKDOWN})


def test_the_list_of_papers_is_attached_on_demand(store: Store, tmp_path: Path) -> None:
    keys = "    limit: 1\n    overflow: attach\n"
    (tmp_path / "config.yaml").write_text(SMTP + HEAD + DIGEST + keys)
    config = load_config(tmp_path / "config.yaml", {})
    titles = ("Serverless", "Serverless =1+1", "Serverless Ü")
    store.papers.ingest("a", [paper(n, t) for n, t in enumerate(titles, 1)], {}, MONDAY)
    sync_config(store, config, MONDAY)
    make_editions(store, config, load_templates(None), now=MONDAY)
    delivery = store.outbox.list()[1]
    message = read(MessageBuilder(store).build(delivery, FORMS).mime)
    (part,) = message.iter_attachments()
    assert (part.get_filename(), part.get_content_type()) == ("d-1.txt", "text/plain")
    lines = part.get_content().splitlines()
    assert lines[2:] == [
        f"{at}. {titles[n - 1]} | Ada Xu | serverless | https://arxiv.org/abs/2611.0000{n}v1"
        for at, n in enumerate((1, 2, 3), 1)
    ]


def test_attached_lists_have_all_papers(store: Store, tmp_path: Path) -> None:
    keys = "    attach: [bibtex, ris]\n    limit: 300\n"
    (tmp_path / "config.yaml").write_text(SMTP + HEAD + DIGEST + keys)
    config = load_config(tmp_path / "config.yaml", {})
    long = [paper(n, "Serverless " + "word " * 80, abstract="x" * 900) for n in range(1, 301)]
    store.papers.ingest("a", long, {}, MONDAY)
    sync_config(store, config, MONDAY)
    (made,) = make_editions(store, config, load_templates(None), now=MONDAY)
    assert made.error is None
    builder = MessageBuilder(store)
    first, second = (builder.build(each, FORMS).mime for each in store.outbox.list()[1:])
    assert_sound(first)
    files = {part.get_filename(): part for part in read(first).iter_attachments()}
    assert list(files) == ["d-1.bib", "d-1.ris", "d-1.txt"]
    assert files["d-1.bib"].get_content().count(b"@") == 300
    assert files["d-1.ris"].get_content().count(b"TY  - ") == 300
    body = read(first).get_body(("html",))
    assert body is not None
    assert files["d-1.txt"].get_content().count("https://arxiv.org/abs/") == 300
    assert "The attached list d-1.txt has all papers." in " ".join(body.get_content().split())
    assert first.partition(b"--=_mixed")[2] == second.partition(b"--=_mixed")[2]


TITLES = st.text(max_size=300) | st.sampled_from(
    (*HOSTILE, "Tail latency (p99 < 10 ms)", "<>", " ")
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=TITLES)
@example(title="Tail latency (p99 < 10 ms)")
@example(title="a" * 5_000)
def test_any_title_makes_valid_headers(tmp_path: Path, title: str) -> None:
    """List-Id, subject, preheader and the header of the Slack message."""
    config = email_config(tmp_path)
    edition = replace(make_edition(), digest="d", title=title)
    context = render_context(
        config, load_templates(None), config.digests["d"], next_edition_at=None
    )
    forms = freeze(config, edition, context)
    raw = preview_message(config, edition, context).encode()
    assert_sound(raw)
    message = read(raw)
    assert str(message["List-Id"]).endswith("<d.example.org>")
    assert message["Subject"].strip()
    header = json.loads(str(forms[Form.SLACK]))[0]["blocks"][0]["text"]["text"]
    assert 0 < len(header) <= 150


def email_config(tmp_path: Path) -> Config:
    (tmp_path / "config.yaml").write_text(SMTP + HEAD + DIGEST)
    return load_config(tmp_path / "config.yaml", {})


@pytest.mark.parametrize("kind", ["slack", "email"])
def test_form_without_destination_cannot_fail_an_edition(tmp_path: Path, kind: str) -> None:
    """The sender is broken, which concerns mails only."""
    config = email_config(tmp_path)
    assert config.smtp is not None
    broken = replace(config, smtp=replace(config.smtp, sender="nobody"))
    context = render_context(
        config, load_templates(None), config.digests["d"], next_edition_at=None
    )
    context = replace(context, unsubscribe=None)
    edition = make_edition()
    if kind == "email":
        with pytest.raises(InvalidAddress):
            freeze(broken, edition, context, needed=needed_forms([kind]))
        return
    forms = freeze(broken, edition, context, needed=needed_forms([kind]))
    assert Form.SLACK in forms
    assert Form.EML not in forms


@pytest.mark.parametrize("form", sorted(set(Form) - {Form.EML}))
def test_no_form_links_to_pages_that_do_not_exist(tmp_path: Path, form: Form) -> None:
    config = replace(email_config(tmp_path), public_url="https://pages.example.org")
    context = render_context(
        config, load_templates(None), config.digests["d"], next_edition_at=None
    )
    edition = replace(make_edition(), digest="d")
    assert "pages.example.org" not in str(render(edition, form, context))
    assert "pages.example.org" not in preview_message(config, edition, context)
