"""``digestbot serve``: the bot itself."""

import asyncio
from random import Random

import click

from digestbot.cli.app import App
from digestbot.config import Config
from digestbot.render import Templates, load_templates
from digestbot.scheduler import Service


@click.command("serve", short_help="Stay and do all of it on schedule.")
@click.pass_obj
def command(app: App) -> int:
    """
    Stay: fetch, make editions and deliver on schedule, until SIGTERM; SIGHUP reads the config anew.

    Everything that was due while it did not run is made up for at its start.
    """
    app.verbosity = max(app.verbosity, 1) if app.verbosity >= 0 else app.verbosity

    def load() -> tuple[Config, Templates]:
        config = app.config()
        return config, load_templates(config.templates)

    config = app.config()
    with app.store(config) as store:
        asyncio.run(Service(store, load, clock=app.clock, random=Random()).serve())
    return 0
