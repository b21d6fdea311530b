"""
The stages, in order::

    fetch()          sources ── pages ──► store.papers
                     papers and their announcements, one transaction per page
    enrich()         store.papers ── services ──► store.papers
                     missing abstracts, authors and DOIs of the papers just fetched
    make_editions()  store.papers ── filters, editions, render ──► store.editions
                     the edition, its bodies, its deliveries and the cursor in one transaction
    deliver()        store.outbox ── deliver ──► mailboxes, channels, folders
                     claim, commit, send, commit

`read_bounces` takes the way back: mailbox ── bounces ──► store.bounces.

Any stage can be killed at any moment and restarted. Each isolates its parts: a broken source,
digest or destination is recorded and the others go ahead. What a fault means is decided elsewhere
(by each source, `editions` and `deliver.retry`). Results are values; nothing here prints. Begin at
`pipeline.fetching`.
"""

from digestbot.pipeline.delivering import Delivered, DeliverProgress, deliver
from digestbot.pipeline.enriching import Enriched, EnrichProgress, enrich
from digestbot.pipeline.fetching import Fetched, FetchProgress, fetch
from digestbot.pipeline.making_editions import EditionMade, make_editions, next_edition, read_ahead
from digestbot.pipeline.processing_bounces import Bounced, read_bounces

__all__ = [
    "Bounced",
    "DeliverProgress",
    "Delivered",
    "EditionMade",
    "EnrichProgress",
    "Enriched",
    "FetchProgress",
    "Fetched",
    "deliver",
    "enrich",
    "fetch",
    "make_editions",
    "next_edition",
    "read_ahead",
    "read_bounces",
]
