"""Headers of every answer: a browser loads and runs nothing of it, guesses no type, and no other site frames it."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nightshift.pages import POLICY

ANSWER_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Of answers that are no pages: nothing frames them.
DATA_HEADERS = {
    **ANSWER_HEADERS,
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}
# Of pages, which Airflow frames in its own.
PAGE_HEADERS = {
    **ANSWER_HEADERS,
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "no-cache, private",  # a task that runs again replaces its pages
}


class HeaderMiddleware:
    """Adds headers to every answer of an application.

    Args:
        app: The application.
        headers: The headers; they replace those of the same name.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self.app, self.headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request; see ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)
