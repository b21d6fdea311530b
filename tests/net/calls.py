"""Run single calls of the HTTP client, each with a client made for it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from digestbot.net import Client, Response
from tests.servers.web import Reply


def call(request: Callable[[Client], Coroutine[Any, Any, Response]], **settings: Any) -> Response:
    """Return the response to *request*, made with a new client of *settings*."""

    async def go() -> Response:
        async with Client(user_agent="test", **settings) as client:
            return await request(client)

    return asyncio.run(go())


def get(url: str, **settings: Any) -> Response:
    """Return the response to a GET of *url*."""
    return call(lambda client: client.get(url, **settings))


def redirect(url: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": url})
