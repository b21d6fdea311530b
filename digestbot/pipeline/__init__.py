"""
The three stages, the one way through the house::

    fetch()          sources ── pages ──► store.papers
                     papers and their place in the log, one transaction a page
    make_editions()  store.papers ── filters, editions, render ──► store.editions
                     the edition, its bodies, its deliveries and the cursor in one transaction
    deliver()        store.outbox ── deliver ──► mailboxes, channels, folders
                     claim, commit, send, commit

Beside them `read_bounces` takes what comes back: bounces ── mailbox ──► store.bounces.

Each can be killed at any moment and started again. Each fences its parts: one broken source, digest
or destination is written down, and the others go on. Nothing here decides what a fault means (that
is each source's own rules, `editions` and `deliver.retry`), and nothing prints: results are values.
Begin at `pipeline.fetching`.
"""

from digestbot.pipeline.delivering import Delivered, DeliverProgress, deliver
from digestbot.pipeline.fetching import Fetched, FetchProgress, fetch
from digestbot.pipeline.making_editions import EditionMade, make_editions, next_edition, read_ahead
from digestbot.pipeline.processing_bounces import Bounced, read_bounces

__all__ = [
    "Bounced",
    "DeliverProgress",
    "Delivered",
    "EditionMade",
    "FetchProgress",
    "Fetched",
    "deliver",
    "fetch",
    "make_editions",
    "next_edition",
    "read_ahead",
    "read_bounces",
]
