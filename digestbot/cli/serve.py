"""``digestbot serve``: run the bot as a service."""

import asyncio
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
    with app.sending_store(config) as store:
        asyncio.run(Service(store, load, clock=app.clock, random=Random()).serve())
    return 0
