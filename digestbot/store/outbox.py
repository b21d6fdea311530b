"""
The outbox: every delivery, its state, and the worker that holds its lease.

`Outbox` is what other rooms use. The work is in `claims` (lease, renew, release), `transitions`
(the table of states, and all writes), `recovery` (expired leases) and `delivery_queries`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from digestbot.model import Delivery, DeliveryState
from digestbot.store import claims, delivery_queries, recovery, transitions
from digestbot.store.database import Database
from digestbot.store.values import Attempt, Cap, Recovered, Transition


class Outbox:
    """
    The part of the store that deliveries go through.

    A worker names a claim by its delivery and attempt (`Delivery.attempts`): once the lease has
    expired, it can no longer change what another worker has claimed since.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = transitions.TransitionWriter(database)

    def claim(
        self,
        now: datetime,
        *,
        lease_s: float,
        limit: int,
        kinds: Collection[str] | None = None,
        edition_ids: Collection[int] | None = None,
        lost: int = 0,
        cap: Cap | None = None,
        is_archive: bool = False,
    ) -> tuple[Delivery, ...]:
        """
        Lease due deliveries to the caller: they are ``sending`` until the lease ends.

        Two callers never get the same one. A delivery whose address is suppressed or whose
        subscription is not confirmed is cancelled on the way, one that is too old is held, and one
        beyond *cap* waits for the next day. Fewer than *limit*, or none, means that nothing else
        is due.

        Args:
            now: Time by which deliveries are due and at which the attempts begin.
            lease_s: Seconds until `recover` may take them back; longer than any send lasts.
            limit: Largest number to claim.
            kinds: Kinds of destination to claim; None for all.
            edition_ids: Editions to claim deliveries of; None for all.
            lost: Claim only deliveries that crashed this many workers: no healthy one is ever
                batched with a poison one.
            cap: Daily limit per destination; None for no limit.
            is_archive: These kinds keep editions of any age and number: no age limit, no cap.
        """
        lease_until = now + timedelta(seconds=lease_s)
        with self._database.write() as connection:
            claimed = claims.claim(
                self._database,
                connection,
                now,
                lease_until,
                limit=limit,
                kinds=kinds,
                edition_ids=edition_ids,
                lost=lost,
                cap=cap,
                is_archive=is_archive,
            )
        # After the commit, so that no other writer waits for it.
        return tuple(claims.to_claimed(row, lease_until) for row in claimed)

    def release_claims(
        self,
        leased: Mapping[int, int],
        now: datetime,
        *,
        cap_day: Callable[[datetime], str] | None = None,
    ) -> int:
        """
        Release unused claims. Return their number.

        They are due at *now*, and the attempt does not count.

        Args:
            leased: Delivery → the attempt under which it was claimed.
            now: When they are due.
            cap_day: Day of a claim made under a cap; the released claims stop counting on it.
        """
        with self._database.write() as connection:
            return claims.release(connection, leased, now, cap_day)

    def postpone(
        self,
        leased: Mapping[int, int],
        at: datetime,
        *,
        error: str,
        code: str | None = None,
        cap_day: Callable[[datetime], str] | None = None,
    ) -> int:
        """
        Let claims wait that were certainly not delivered, without an attempt. Return their number.

        Args:
            leased: Delivery → the attempt under which it was claimed, which does not count.
            at: When they are due.
            error: Why they wait.
            code: The server's status, if it sent one.
            cap_day: Day of a claim made under a cap; these claims stop counting on it.
        """
        with self._database.write() as connection:
            return claims.postpone(connection, leased, at, error, code, cap_day)

    def count_due(self, kind: str, now: datetime) -> int:
        """Count the deliveries of *kind* that are due."""
        with self._database.read() as connection:
            return delivery_queries.count_due(connection, kind, now)

    def retries(self, now: datetime) -> int:
        """Count the failed deliveries whose next attempt is after *now*."""
        with self._database.read() as connection:
            return delivery_queries.retries(connection, now)

    def leases(self) -> Mapping[int, datetime]:
        """Return the deliveries that a worker has claimed, each with the end of its lease."""
        with self._database.read() as connection:
            return delivery_queries.leases(connection)

    def renew(self, leased: Mapping[int, int], lease_until: datetime) -> int:
        """
        Extend the leases of claims under way. Return the number renewed.

        Rows that another transaction has locked are left for the next call: transitions lock theirs
        in another order, and PostgreSQL would end one of the two as a deadlock.

        Args:
            leased: Delivery → the attempt under which it was claimed.
            lease_until: When `recover` may take them back.
        """
        with self._database.write() as connection:
            return claims.renew(connection, leased, lease_until)

    def apply(self, steps: Sequence[Transition]) -> list[bool]:
        """
        Write transitions in one transaction. Return for each whether it was made.

        One is refused if its delivery is in a state that does not allow it, was claimed under
        another attempt, or, for ``data_done``, has no lease any more.
        """
        return self._writer.write(steps)

    def cancel(self, delivery_id: int, reason: str) -> bool:
        """Cancel a delivery. Return False if it is under way or was sent."""
        (made,) = self.apply([Transition(delivery_id, DeliveryState.CANCELLED, None, error=reason)])
        return made

    def requeue(
        self,
        ids: Collection[int],
        now: datetime,
        *,
        states: Collection[DeliveryState] = transitions.REQUEUEABLE - {DeliveryState.HELD},
    ) -> int:
        """
        Queue deliveries again for the operator. Return their number.

        They are not held again for their age.

        Args:
            ids: Deliveries; those in other states are left alone.
            now: When they are due.
            states: States to queue them from; by default all that allow it, ``held`` excepted.
        """
        with self._database.write() as connection:
            return transitions.requeue(connection, ids, states, now)

    def in_doubt(self, now: datetime) -> Mapping[int, datetime]:
        """
        Return deliveries that a dead worker may have sent, with their leases.

        Pass them to `recover` a while later: to a clock that is ahead, live workers look dead too.
        """
        with self._database.read() as connection:
            return recovery.in_doubt(connection, now)

    def recover(self, now: datetime, *, silent: Mapping[int, datetime] | None = None) -> Recovered:
        """
        Recover deliveries whose leases have expired.

        `recovery` describes their next states. Deliveries that a fast clock has postponed beyond
        any back-off are due at once.

        Args:
            now: Time by which leases have expired.
            silent: From `in_doubt`: the deliveries in doubt that may be recovered, if their lease
                is unchanged; None for all. A live worker that loses a ``sending`` delivery is
                stopped by its next transition and repeats nothing.
        """
        with self._database.write() as connection:
            return recovery.recover(connection, now, silent)

    def list(
        self,
        states: Collection[DeliveryState] | None = None,
        digest: str | None = None,
        kind: str | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[Delivery, ...]:
        """List deliveries by state, digest and kind, newest first."""
        with self._database.read() as connection:
            return delivery_queries.list_deliveries(connection, states, digest, kind, limit, offset)

    def to(
        self, kind: str, addresses: Collection[str], edition_names: Collection[str]
    ) -> tuple[Delivery, ...]:
        """List deliveries of editions such as ``systems/12`` to some addresses."""
        with self._database.read() as connection:
            return delivery_queries.of_editions(connection, kind, addresses, edition_names)

    def get(self, delivery_id: int) -> Delivery | None:
        """Return one delivery."""
        with self._database.read() as connection:
            return delivery_queries.get(connection, delivery_id)

    def receipt(self, delivery_id: int) -> str | None:
        """Return the server's reply to an accepted delivery."""
        with self._database.read() as connection:
            return delivery_queries.receipt(connection, delivery_id)

    def attempts(self, delivery_id: int) -> tuple[Attempt, ...]:
        """Return the attempts of one delivery, oldest first."""
        with self._database.read() as connection:
            return delivery_queries.attempts(connection, delivery_id)

    def counts(self) -> Mapping[DeliveryState, int]:
        """Count the deliveries in each state. Every state has an entry."""
        with self._database.read() as connection:
            return delivery_queries.counts(connection)
