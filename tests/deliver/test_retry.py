from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.deliver.retry import (
    MIN_ATTEMPTS,
    STALE_AFTER,
    UNKNOWN_CODE,
    Dead,
    Pause,
    Retry,
    Unknown,
    decide,
    pause,
    soon,
)
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    ServerUnavailable,
    TransientFailure,
    UnclearRefusal,
)

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MINUTES = 60.0
HOURS = 3600.0


@pytest.mark.parametrize(
    ("attempts", "jitter", "after_min"),
    [
        (1, 0.0, 5),
        (1, 0.5, 10),
        (2, 0.0, 30),
        (2, 0.5, 37.5),
        (3, 0.0, 60),
        (4, 0.0, 120),
        (5, 0.0, 240),
        (6, 0.0, 240),
        (40, 0.0, 240),
    ],
)
def test_delay_grows_with_each_attempt(attempts: int, jitter: float, after_min: float) -> None:
    decision = decide(
        TransientFailure("busy"), attempts=attempts, first_at=NOW, now=NOW, jitter=jitter
    )
    assert decision == Retry(at=NOW + timedelta(minutes=after_min))


@pytest.mark.parametrize(
    ("asked_s", "after_s"),
    [
        (None, 5 * MINUTES),
        (0.0, 5 * MINUTES),  # a request of 0 seconds never shortens our own delay
        (60.0, 5 * MINUTES),
        (2 * HOURS, 2 * HOURS),
    ],
)
def test_delay_respects_the_servers_request(asked_s: float | None, after_s: float) -> None:
    error = TransientFailure("busy", retry_after_s=asked_s)
    decision = decide(error, attempts=1, first_at=NOW, now=NOW, jitter=0.0)
    assert decision == Retry(at=NOW + timedelta(seconds=after_s))


@pytest.mark.parametrize(
    ("age_h", "attempts", "dead"),
    [
        (1, 3, False),
        (43.9, 9, False),  # the next attempt in 4 h is still within two days
        (44.1, 9, True),
        (200, 1, False),  # after the machine slept, a first greylisting is still retried
        (200, 2, False),
        (200, 3, True),
    ],
)
def test_gives_up_when_the_digest_is_stale(age_h: float, attempts: int, dead: bool) -> None:
    decision = decide(
        TransientFailure("busy"),
        attempts=attempts,
        first_at=NOW - timedelta(hours=age_h),
        now=NOW,
        jitter=0.0,
    )
    assert isinstance(decision, Dead) == dead


def test_giving_up_states_the_reason() -> None:
    decision = decide(
        TransientFailure("450 busy"),
        attempts=9,
        first_at=NOW - 2 * STALE_AFTER,
        now=NOW,
        jitter=0.0,
    )
    assert decision == Dead(reason="given up after 9 attempts, the digest is stale: 450 busy")


def test_permanent_failure_is_dead_at_once() -> None:
    decision = decide(
        PermanentFailure("550 no such user"), attempts=1, first_at=NOW, now=NOW, jitter=0.0
    )
    assert decision == Dead(reason="550 no such user")


NEXT_DAY = datetime(2026, 11, 24, tzinfo=UTC)
QUOTA = ServerUnavailable("550 5.4.5 quota", until_tomorrow=True)
LOCKED = ServerUnavailable("454 4.7.0 too many logins", retry_after_s=900.0)


@pytest.mark.parametrize(
    ("error", "failures", "until"),
    [
        (Misconfigured("535 no"), 0, NOW + timedelta(minutes=15)),
        (Misconfigured("535 no"), 50, NOW + timedelta(minutes=15)),
        (ServerUnavailable("down"), 0, NOW + timedelta(seconds=20)),
        (ServerUnavailable("down"), 1, NOW + timedelta(minutes=1)),
        (ServerUnavailable("down"), 50, NOW + timedelta(hours=1)),
        (LOCKED, 0, NOW + timedelta(minutes=15)),
        (LOCKED, 5, NOW + timedelta(hours=1)),
        (QUOTA, 0, NEXT_DAY),
        (QUOTA, 1, NOW + timedelta(hours=1)),  # the quota of the last 24 hours, not of the day
    ],
)
def test_answer_about_us_pauses_the_kind(
    error: DeliveryError, failures: int, until: datetime
) -> None:
    found = pause(error, failures=failures, now=NOW, next_day=NEXT_DAY)
    assert found == Pause(until=until, needs_operator=isinstance(error, Misconfigured))


@pytest.mark.parametrize(
    "error", [TransientFailure("x"), PermanentFailure("x"), OutcomeUnknown("x")]
)
def test_answer_about_a_recipient_pauses_nothing(error: DeliveryError) -> None:
    assert pause(error, failures=0, now=NOW, next_day=NEXT_DAY) is None


def test_server_that_is_down_is_asked_thrice_in_a_minute() -> None:
    at, tries = NOW, 0
    while at < NOW + timedelta(minutes=1):
        found = pause(ServerUnavailable("down"), failures=tries, now=at, next_day=NEXT_DAY)
        assert found is not None
        at, tries = found.until, tries + 1
    assert tries <= 3


@pytest.mark.parametrize(
    ("error", "retries", "patience_s", "wait_s"),
    [
        (TransientFailure("451 later", code="451 4.3.0"), 0, 60, 5),
        (TransientFailure("451 later", code="451 4.3.0"), 2, 60, 30),
        (TransientFailure("451 later", code="451 4.3.0"), 3, 60, None),
        (TransientFailure("451 later", code="451 4.3.0"), 0, 0, None),
        (TransientFailure("connection lost"), 1, 15, 15),
        (TransientFailure("ratelimited", retry_after_s=12.0), 0, 60, 12),
        (TransientFailure("ratelimited", retry_after_s=90.0), 0, 60, None),
        (TransientFailure("452 full", code="452 4.2.2"), 0, 60, None),
        (UnclearRefusal("550 no", code="550"), 0, 60, None),
        (OutcomeUnknown("cut"), 0, 60, None),
        (PermanentFailure("550 no"), 0, 60, None),
    ],
)
def test_a_short_failure_is_retried_while_patience_lasts(
    error: DeliveryError, retries: int, patience_s: int, wait_s: int | None
) -> None:
    wait = soon(error, retries=retries, patience=timedelta(seconds=patience_s))
    assert wait == (None if wait_s is None else timedelta(seconds=wait_s))


@pytest.mark.parametrize(
    ("attempts", "doubts", "again"),
    [
        (1, 0, True),
        (2, 0, True),  # greylisted first, in doubt for the first time
        (2, 1, False),
        (3, 1, False),  # in doubt, then greylisted, in doubt again: no third copy
    ],
)
def test_unknown_outcome_is_repeated_once(attempts: int, doubts: int, again: bool) -> None:
    decision = decide(
        OutcomeUnknown("cut", code=UNKNOWN_CODE),
        attempts=attempts,
        first_at=NOW,
        now=NOW,
        jitter=0.0,
        doubts=doubts,
    )
    expected = Retry(at=NOW + timedelta(minutes=5)) if again else Unknown(reason="cut")
    assert decision == expected


errors = st.sampled_from(
    [
        TransientFailure("x"),
        TransientFailure("x", retry_after_s=86_400.0),
        PermanentFailure("x"),
        OutcomeUnknown("x"),
    ]
)


@given(
    error=errors,
    attempts=st.integers(1, 1000),
    age=st.timedeltas(timedelta(0), timedelta(days=400)),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_retries_are_delayed_and_bounded(
    error: DeliveryError, attempts: int, age: timedelta, jitter: float
) -> None:
    decision = decide(error, attempts=attempts, first_at=NOW - age, now=NOW, jitter=jitter)
    if isinstance(decision, Retry):
        assert decision.at >= NOW + timedelta(minutes=5)
    if isinstance(decision, Retry) and attempts >= MIN_ATTEMPTS:
        assert decision.at <= NOW - age + STALE_AFTER
