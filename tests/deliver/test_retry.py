from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.deliver.retry import (
    MIN_ATTEMPTS,
    STALE_AFTER,
    UNKNOWN_CODE,
    Dead,
    Retry,
    StopAll,
    Unknown,
    decide,
)
from digestbot.errors import (
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
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


@pytest.mark.parametrize("age_h", [0, 500])
def test_misconfiguration_stops_its_kind_at_any_age(age_h: int) -> None:
    first_at = NOW - timedelta(hours=age_h)
    decision = decide(Misconfigured("535 no"), attempts=50, first_at=first_at, now=NOW, jitter=0.0)
    assert decision == StopAll(at=NOW + timedelta(minutes=15), reason="535 no")


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
        Misconfigured("x"),
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
    if isinstance(decision, Retry | StopAll):
        assert decision.at >= NOW + timedelta(minutes=5)
    if isinstance(decision, Retry) and attempts >= MIN_ATTEMPTS:
        assert decision.at <= NOW - age + STALE_AFTER
