"""Group commit: many steps in few transactions, each answered on its own."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from digestbot.errors import StoreUnavailable
from digestbot.model import DeliveryState
from digestbot.pipeline.group_commit import (
    PAUSES_S,
    GroupCommit,
    GroupedWrites,
    retry_while_unavailable,
)
from digestbot.store import Store, Transition
from tests.pipeline.killing import no_sleep
from tests.store.samples import NOW


def sent(number: int) -> Transition:
    return Transition(number, DeliveryState.SENT, NOW, 1, receipt="250 ok")


def begun(number: int) -> Transition:
    return Transition(number, DeliveryState.DATA_DONE, NOW, 1)


def test_steps_that_arrive_together_share_a_transaction(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[int]] = []

    def apply(steps: Sequence[Transition]) -> list[bool]:
        batches.append([step.delivery_id for step in steps])
        return [step.delivery_id != 3 for step in steps]

    async def write_all() -> list[bool]:
        commits = GroupCommit(store)
        results = await asyncio.gather(*(commits.write(sent(number)) for number in range(1, 6)))
        await commits.close()
        return results

    monkeypatch.setattr(store.outbox, "apply", apply)
    assert asyncio.run(write_all()) == [True, True, False, True, True]
    assert batches == [[1, 2, 3, 4, 5]]


def test_a_step_that_the_state_refuses_is_false(store: Store) -> None:
    assert asyncio.run(GroupCommit(store).write(sent(1))) is False


def test_after_a_long_outage_no_transfer_begins(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that end a transfer are still tried, once."""
    tries: list[DeliveryState] = []

    def apply(steps: Sequence[Transition]) -> list[bool]:
        tries.extend(step.to for step in steps)
        raise StoreUnavailable("away")

    async def write_all() -> None:
        commits = GroupCommit(store, sleep=no_sleep)
        for step in (begun(1), begun(2), sent(3)):
            with pytest.raises(StoreUnavailable):
                await commits.write(step)

    monkeypatch.setattr(store.outbox, "apply", apply)
    asyncio.run(write_all())
    assert tries == [DeliveryState.DATA_DONE] * (len(PAUSES_S) + 1) + [DeliveryState.SENT]


def test_a_call_is_repeated_until_the_store_is_back() -> None:
    outcomes = [StoreUnavailable("away"), StoreUnavailable("away"), "result"]
    pauses: list[float] = []

    def act() -> object:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    assert asyncio.run(retry_while_unavailable(act, sleep)) == "result"
    assert pauses == list(PAUSES_S[:2])


def test_calls_that_arrive_together_share_a_transaction(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails undoes its own writes only."""
    sizes: list[int] = []
    together = store.together

    def counted(acts: Sequence[Callable[[], int]]) -> list[int | Exception]:
        sizes.append(len(acts))
        return together(acts)

    def begin_and_fail() -> int:
        store.sources.begin_pass("broken", NOW)
        raise ValueError("a bug")

    async def write_all() -> list[int | BaseException]:
        write = GroupedWrites(store)
        acts = [partial(store.sources.begin_pass, name, NOW) for name in ("a", "b")]
        calls = (write(acts[0]), write(begin_and_fail), write(acts[1]))
        return list(await asyncio.gather(*calls, return_exceptions=True))

    monkeypatch.setattr(store, "together", counted)
    first, failed, last = asyncio.run(write_all())
    assert sizes == [3]
    assert isinstance(failed, ValueError)
    assert {first, last} == {store.sources.passes(name)[0].id for name in ("a", "b")}
    assert store.sources.passes("broken") == ()
    assert [state.name for state in store.sources.states()] == ["a", "b"]


def test_a_failed_database_fails_all_calls_of_a_transaction(store: Store) -> None:
    def fail() -> int:
        raise StoreUnavailable("away")

    async def write_all() -> list[int | BaseException]:
        write = GroupedWrites(store)
        begin = partial(store.sources.begin_pass, "a", NOW)
        return list(await asyncio.gather(write(begin), write(fail), return_exceptions=True))

    assert all(isinstance(each, StoreUnavailable) for each in asyncio.run(write_all()))
    assert store.sources.states() == ()
