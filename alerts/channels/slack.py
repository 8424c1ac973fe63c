"""Slack: by incoming webhook, or by bot token, which can answer in the incident's thread."""

from __future__ import annotations

from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from alerts.channels import Delivered, Outcome, Refused, Retry
from alerts.render import Message
from monitor.config.load import secret
from monitor.config.settings import Slack

TIMEOUT_S = 15
TRANSIENT = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
"""Errors of the API that pass by themselves; every other needs somebody to mend something."""
UNREACHABLE = (aiohttp.ClientError, SlackClientError, TimeoutError, OSError)


class Webhook:
    """An incoming webhook: its URL is the secret, and it cannot answer in threads."""

    name = "slack"

    def __init__(self, url: str, timeout_s: int = TIMEOUT_S) -> None:
        self._client = AsyncWebhookClient(url, timeout=timeout_s, retry_handlers=[])

    async def deliver(self, key: str, message: Message, thread: str | None) -> Outcome:
        """Post it."""
        try:
            answer = await self._client.send(text=message.slack, blocks=list(message.blocks), unfurl_links=False)
        except UNREACHABLE as error:
            return Retry(why=f"Slack's webhook cannot be reached: {type(error).__name__}")
        if answer.status_code == 200:
            return _taken(str(answer.body))
        if answer.status_code == 429:
            return Retry(why="Slack asks to wait", after_s=_seconds(answer.headers))
        said = f"{answer.status_code} {str(answer.body)[:80]}"
        if answer.status_code >= 500:
            return Retry(why=f"Slack answered {said}")
        return Refused(why=f"Slack answered {said}: check the webhook and its channel")

    async def close(self) -> None:
        """Nothing is kept open."""


class Bot:
    """A bot token with chat:write; later notices of an incident answer in its thread."""

    name = "slack"

    def __init__(self, token: str, channel: str, api: str, timeout_s: int = TIMEOUT_S) -> None:
        self._client = AsyncWebClient(token=token, base_url=api, timeout=timeout_s, retry_handlers=[])
        self._channel = channel

    async def deliver(self, key: str, message: Message, thread: str | None) -> Outcome:
        """Post it, in the thread and also in the channel when there is a thread."""
        more: dict[str, Any] = {} if thread is None else {"thread_ts": thread, "reply_broadcast": True}
        try:
            answer = await self._client.chat_postMessage(
                channel=self._channel,
                text=message.slack,
                blocks=list(message.blocks),
                unfurl_links=False,
                metadata={"event_type": "sorwatch_notice", "event_payload": {"key": key}},
                **more,
            )
        except SlackApiError as error:
            return _refusal(error)
        except UNREACHABLE as error:
            return Retry(why=f"Slack cannot be reached: {type(error).__name__}")
        return Delivered(thread=answer.get("ts") if thread is None else thread)

    async def close(self) -> None:
        """Nothing is kept open."""


def slack_channel(settings: Slack) -> Webhook | Bot:
    """The channel these settings describe; raises `OSError` or `KeyError` when a secret is not there."""
    if settings.webhook_file is not None:
        return Webhook(secret(settings.webhook_file))
    if settings.token_file is None or settings.channel is None:
        raise ValueError("alert.slack needs webhook_file, or token_file and channel")
    return Bot(secret(settings.token_file), settings.channel, settings.api)


def _taken(body: str) -> Outcome:
    """Slack says ``ok``; a page of HTML is a proxy's or a gateway's, and nobody has the notice."""
    if body.lstrip().startswith("<"):
        return Retry(why="not Slack but a page of HTML answered: is there a proxy that wants a login?")
    return Delivered()


def _refusal(error: SlackApiError) -> Outcome:
    response = error.response
    status = getattr(response, "status_code", None)
    code = response.get("error") if hasattr(response, "get") else None
    if status == 429 or code in TRANSIENT:
        return Retry(why=f"Slack answered {code}", after_s=_seconds(getattr(response, "headers", {})))
    if code is None or (isinstance(status, int) and status >= 500):
        return Retry(why=f"Slack answered {status}")
    return Refused(why=f"Slack answered {str(code)[:80]}: check the token, its scopes and the channel")


def _seconds(headers: Any) -> float | None:
    for name, value in dict(headers).items():
        if name.lower() == "retry-after":
            try:
                return max(0.0, float(value[0] if isinstance(value, list) else value))
            except ValueError:
                return None
    return None
