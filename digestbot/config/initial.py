"""Write the first config.yaml: short, commented and ready to use. Begin at `initial_config`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers to the questions of ``digestbot init``; ``--yes`` takes the defaults."""

    title: str = "My field"
    timezone: str = "UTC"
    categories: tuple[str, ...] = ("cs.DC", "cs.LG")
    """arXiv categories or archives, at least one."""
    keywords: tuple[str, ...] = ("serverless", "mixture of experts")
    """Words or phrases to match; if empty, every paper of the categories matches."""
    email: str | None = None
    """Reader's address; without one, editions go to a folder only."""
    slack: str | None = None
    """Slack channel, such as ``#papers``."""
    smtp_host: str = "localhost"


def initial_config(answers: Answers) -> str:
    """
    Return a config.yaml with *answers* filled in and one digest, ``my-field``.

    It loads without changes; with a Slack channel, the environment must have ``SLACK_BOT_TOKEN``.
    """
    return "\n".join([*_top(answers), *_servers(answers), *_digest(answers), ""])


def _top(answers: Answers) -> Iterator[str]:
    yield "# Config of digestbot. config.example.yaml documents every key."
    yield "# Next steps: digestbot check, digestbot preview my-field, digestbot run"
    yield f"timezone: {_text(answers.timezone)}    # for schedules and the dates in emails"
    yield ""
    yield "sources:"
    yield "  arxiv:"
    yield "    kind: arxiv"
    yield f"    categories: {_list(answers.categories)}"


def _servers(answers: Answers) -> Iterator[str]:
    if answers.email:
        yield ""
        yield "smtp:                         # your mail server"
        yield f"  host: {_text(answers.smtp_host)}"
        yield "  security: none              # use starttls or tls unless it is on this machine"
        yield "  # username: you@example.org"
        yield "  # password: ${SMTP_PASSWORD}   # from the environment"
        yield f"  sender: {_text(f'Digests <{answers.email}>')}"
    if answers.slack:
        yield ""
        yield "slack:"
        yield "  token: ${SLACK_BOT_TOKEN}   # from the environment; needs the scope chat:write"


def _digest(answers: Answers) -> Iterator[str]:
    yield ""
    yield "digests:"
    yield "  my-field:"
    yield f"    title: {_text(answers.title)}"
    yield "    schedule: weekdays 09:00    # or daily 09:00, weekly mon 09:00, or cron; to wait for"
    yield "    # arXiv's announcement of the day: {after: announcement, latest: '10:00'}"
    if answers.keywords:
        yield "    filter:"
        yield "      any:                      # at least one of these in the title or abstract"
        yield from (f"        - {_text(keyword)}" for keyword in answers.keywords)
        yield "      # none:                   # but none of these"
        yield "      #   - title: survey"
    yield "    deliver:"
    yield "      - folder: out             # .eml, .html, .txt and .json of each edition"
    if answers.email:
        yield f"      - email: {_text(answers.email)}"
    if answers.slack:
        yield f"      - slack: {_text(answers.slack)}"


def _list(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(_text(each) for each in texts)}]"


def _text(text: str) -> str:
    """Return *text* as a YAML string: unquoted if it is plain words, else in double quotes."""
    words = text.replace(" ", "").replace(".", "").replace("-", "").replace("/", "")
    is_bare = words.isascii() and words.isalpha() and text.lower() not in _MEANINGS
    is_bare = is_bare and text[:1].isalpha() and text == text.strip()
    if is_bare:
        return text
    # A JSON string is a YAML 1.2 string, except for characters that YAML forbids (5.1) and escaped
    # surrogate pairs; "${" is escaped because interpolation applies to quoted strings too.
    quoted = json.dumps(text, ensure_ascii=False).replace("${", "$${")
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


_MEANINGS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML 1.1 or 1.2 reads as other types than text."""
