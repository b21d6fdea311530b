"""``digestbot serve``: run the bot as a service."""

import asyncio
import logging
import os
from random import Random

import click

from digestbot.cli.app import App
from digestbot.config import Config
from digestbot.render import Templates, load_templates
from digestbot.scheduler import Service


@click.command("serve", short_help="Run on schedule until SIGTERM.")
@click.pass_obj
def command(app: App) -> int:
    """
    Fetch, make editions and deliver on schedule, until SIGTERM; SIGHUP reloads the config.

    At the start, catches up on everything that came due while it was stopped.
    """
    app.verbosity = max(app.verbosity, 1) if app.verbosity >= 0 else app.verbosity

    def load() -> tuple[Config, Templates]:
        config = app.config()
        return config, load_templates(config.templates)

    config = app.config()
    with app.store(config) as store:
        asyncio.run(_serve(Service(store, load, clock=app.clock, random=Random())))
    return 0


async def _serve(service: Service) -> None:
    if not await service.serve():
        # A thread that waits for Slack cannot be cancelled, and both asyncio and Python would wait
        # for it. What is under way is cut as a crash would cut it: the store says how far it was.
        logging.shutdown()
        os._exit(0)
