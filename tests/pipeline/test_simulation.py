"""Weekends, months and quarters in simulated time."""

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from digestbot.model import FetchedPaper
from digestbot.store import open_store
from tests.pipeline.conftest import paper
from tests.pipeline.simulation import (
    DAY,
    HOUR,
    MINUTE,
    Simulation,
    check_windows,
    moments,
    shown,
)
from tests.servers.slack import TOKEN, SlackServer
from tests.servers.smtp import SmtpServer

SOURCES = """\
timezone: Europe/Berlin
sources:
  a: {kind: feed, url: "https://a.example.org/feed"}
  b: {kind: feed, url: "https://b.example.org/feed"}
digests:
"""
FRIDAY = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


def published(
    begin: datetime, end: datetime, every: timedelta, first: int, title: str = "Serverless"
) -> list[tuple[datetime, FetchedPaper]]:
    """Return one paper for each interval, with the moment it appears."""
    times = moments(begin, end, every)
    return [(at, paper(number, f"{title} {number}")) for number, at in enumerate(times, first)]


@pytest.mark.parametrize(
    ("schedules", "every", "slots"),
    [
        (["*/15 * * * *"], 15 * MINUTE, 240),
        (["0 * * * *"], HOUR, 60),
        (["0 * * * *", "30 * * * *"], HOUR, 60),
    ],
    ids=["quarters", "hours", "half an hour apart"],
)
def test_every_slot_with_new_papers_has_an_edition(
    schedules: list[str], every: timedelta, slots: int, tmp_path: Path
) -> None:
    """A tick comes at an odd second, and each pass begins a little later than the slot."""
    end = FRIDAY + 60 * HOUR
    with open_store("sqlite://") as store:
        papers = {"a": published(FRIDAY + 8 * MINUTE, end, every, 1)}
        bot = Simulation(store=store, folder=tmp_path, papers=papers)
        digests = [
            f'  d{n}: {{schedule: "{schedule}", sources: [a], deliver: [{{folder: out}}]}}\n'
            for n, schedule in enumerate(schedules)
        ]
        bot.configure(SOURCES + "".join(digests))
        for now in moments(FRIDAY, end + 31 * MINUTE, 5 * MINUTE + timedelta(seconds=1)):
            bot.tick(now)
        for n in range(len(schedules)):
            editions = bot.editions(f"d{n}")
            assert set(shown(editions).values()) == {1}
            assert len(shown(editions)) == slots
            assert len(editions) == slots
            check_windows(editions)
        assert bot.asked["a"] <= slots * len(schedules) + 2


@pytest.mark.parametrize("first_day", ["2026-03-10", "2026-10-08"])
@pytest.mark.parametrize("overflow", ["list", "next"])
def test_windows_of_a_month_join(first_day: str, overflow: str, tmp_path: Path) -> None:
    """With missed slots, forced runs, days without a match and a change of the clocks."""
    begin = datetime.fromisoformat(first_day).replace(tzinfo=UTC)
    end, random = begin + 31 * DAY, Random(7)
    matching = published(begin, end - 6 * DAY, timedelta(hours=3), 1)
    other = published(begin, end, timedelta(hours=5), 2000, "Else")
    with open_store("sqlite://") as store:
        papers = {"a": matching, "b": other}
        bot = Simulation(store=store, folder=tmp_path, papers=papers)
        bot.configure(
            f"{SOURCES}  d: {{schedule: daily 09:00, limit: 9, overflow: {overflow},"
            " filter: {any: [serverless]}, deliver: [{folder: out}]}\n"
        )
        for now in moments(begin, end, HOUR):
            if 12 <= (now - begin).days < 15:
                continue  # the laptop is closed
            bot.tick(now)
            if random.random() < 0.03:
                bot.tick(now + 7 * MINUTE, forced=["d"])
        editions = bot.editions("d")
        check_windows(editions)
        assert len(editions) > 20
        assert shown(editions) == {p.id: 1 for _, p in matching}
        assert any(edition.omitted for edition in editions)
        state, sources = store.digests.state("d"), frozenset({"a", "b"})
        assert state.skipped is not None
        counted = sum(edition.considered for edition in editions) + state.skipped.considered
        unread = store.papers.count_announcements(state.cursor, sources=sources)
        assert counted + unread == store.papers.count_announcements(0, sources=sources)


def test_a_changed_schedule_takes_effect_at_its_next_slot(tmp_path: Path) -> None:
    begin = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    line = "  d: {{schedule: {}, sources: [a], deliver: [{{folder: out}}]}}\n"
    with open_store("sqlite://") as store:
        papers = {"a": published(begin, begin + 3 * DAY, HOUR, 1)}
        bot = Simulation(store=store, folder=tmp_path, papers=papers)
        bot.configure(SOURCES + line.format("daily 09:00"))
        made = []
        for now in moments(begin, begin + 2 * DAY, 10 * MINUTE):
            if now == begin + 2 * HOUR:
                bot.configure(SOURCES + line.format("daily 13:00"))
            if now == begin + 7 * HOUR:  # 09:00 comes again, in another zone
                zoned = (SOURCES + line.format("daily 09:00")).replace("Berlin", "London")
                bot.configure(zoned.replace("Europe/London", "America/New_York"))
            made += [now for one in bot.tick(now) if one.edition]
        assert [f"{at:%d %H:%M}" for at in made] == [
            "23 07:00",
            "23 08:00",
            "23 12:00",
            "24 14:00",
        ]


SERVERS = """\
smtp: {{host: 127.0.0.1, port: {port}, security: none, sender: "D <d@example.org>"}}
slack: {{token: {token}, url: "{url}", interval: 0s}}
"""
THREE = """\
  a: {{schedule: {a}, limit: 3, filter: {{any: [{terms}]}},
      deliver: [{{email: [one@example.org, two@example.org]}}]}}
  b: {{schedule: {b}, overflow: next, filter: {{any: [serverless]}},
      deliver: [{{email: [two@example.org]}}]}}
  c: {{schedule: weekly mon 09:00, limit: 5, filter: {{any: [serverless]}},
      deliver: [{{slack: "#papers"}}]}}
"""
QUOTA = ("DOT", "550 5.4.5 Daily user sending limit exceeded")


@pytest.mark.parametrize("first_day", ["2026-02-16", "2026-09-14"])
def test_a_quarter_loses_and_repeats_nothing(first_day: str, tmp_path: Path) -> None:
    """
    Three digests, three readers, both clock changes.

    Two edits of schedules (days 20, 41), one of a filter (41), ten days off (25), a quota (48), a
    new token (56), a source down (60), a move by the ledger (70).
    """
    begin = datetime.fromisoformat(first_day).replace(tzinfo=UTC)
    end = begin + 92 * DAY
    hidden = published(begin, end, timedelta(hours=31), 5000, "Graph")
    matching = published(begin, end, timedelta(hours=4), 1)
    options = {"a": "weekdays 09:00", "b": "daily 07:30", "terms": "serverless", "token": TOKEN}
    edits = {
        20: {"a": "daily 12:00"},
        41: {"b": "daily 18:30", "terms": "serverless, graph"},
        58: {"token": "xoxb-rotated"},
    }
    quota, rotation, outage = range(48, 50), range(56, 58), range(60, 62)
    with ExitStack() as stack:
        smtp, slack = stack.enter_context(SmtpServer()), stack.enter_context(SlackServer())
        old, new = (stack.enter_context(open_store("sqlite://")) for _ in range(2))
        bot = Simulation(
            store=old, folder=tmp_path, papers={"a": matching, "b": hidden}, delivers=True
        )

        def configure() -> None:
            servers = SERVERS.format(port=smtp.port, url=slack.url, token=options["token"])
            bot.configure(servers + SOURCES + THREE.format(**options))

        configure()
        late: list[timedelta] = []
        red: Counter[str] = Counter()
        for now in moments(begin + 30 * MINUTE, end, 2 * HOUR):
            day = (now - begin).days
            is_first = (now - begin) % DAY == 30 * MINUTE
            if is_first and day in edits:
                options |= edits[day]
                configure()
            if is_first and day == 70:
                bot.move_to(new)
            bot.down = {"b"} if day in outage else set()
            smtp.faults = [QUOTA] * 9 if day == quota[0] else []
            slack.token = TOKEN if day < rotation[0] else "xoxb-rotated"
            if 25 <= day < 35:
                overdue = [line for line in bot.problems(now) if "overdue" in line]
                late += [now - begin - 25 * DAY] if overdue else []
                continue
            bot.tick(now)
            problems = bot.problems(now)
            for one in bot.unsent():  # at the very tick at which it was refused
                assert any(f"{one.destination.kind}: paused" in line for line in problems)
                red[one.destination.kind] += 1
            if bot.down:
                asked = bot.store.sources.state("b").last_error
                assert not asked or any("answered 503" in line for line in problems)
                red["b"] += bool(asked)
            elif day not in {35, 62, *quota, *rotation} and now.hour == 12:
                assert problems == ()
        # Off since midnight: the digest of 07:30 is late from 09:30 on, whatever the clocks do.
        assert min(late) <= timedelta(hours=9, minutes=30)
        assert red.keys() == {"email", "slack", "b"}
        assert bot.unsent() == ()
        mails = Counter((m.recipients, message_id(m.content)) for m in smtp.messages)
        assert set(mails.values()) == {1}
        sent = bot.store.outbox.list(limit=1000)
        assert len(smtp.messages) == sum(d.destination.kind == "email" for d in sent)
        parents = [one for one in slack.posted["#papers"] if "thread_ts" not in one.message]
        assert len(parents) == len(bot.editions("c"))
        for name in "abc":
            editions = bot.editions(name)
            check_windows(editions)
            readers = {d.destination for d in sent if d.digest == name}
            assert sum(d.digest == name for d in sent) == len(editions) * len(readers)
            found = shown(editions)
            assert set(found.values()) == {1}
            waiting = {entry.paper.id for entry in bot.store.editions.waiting(name)}
            done = editions[-1].covers_to
            expected = {p.id for at, p in matching if at <= done - HOUR}
            assert expected - waiting <= found.keys()
            total = sum(edition.considered for edition in editions)
            seen = sum(at <= done for at, _ in (*matching, *hidden))
            assert abs(total - seen) <= 1


def message_id(content: bytes) -> bytes:
    return next(n for n in content.splitlines() if n.lower().startswith(b"message-id:"))
