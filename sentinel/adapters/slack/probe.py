"""Asks Slack who we are: whether the token is valid and Slack answers."""

import math

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from sentinel.domain.errors import NoticeError


async def probe(token: str, *, base_url: str = AsyncWebClient.BASE_URL, timeout: float = 10.0) -> str:
    """The names of the team and the bot of this token. Raises NoticeError."""
    client = AsyncWebClient(token, base_url=base_url, timeout=math.ceil(timeout), retry_handlers=[])
    try:
        answer = await client.auth_test()
    except SlackApiError as error:
        data = error.response.data
        code = data.get("error", "") if isinstance(data, dict) else "no JSON"
        raise NoticeError(f"Slack rejects the bot token ({code}): check slack.token.") from error
    except (SlackClientError, OSError, TimeoutError) as error:
        raise NoticeError(f"Slack cannot be reached: {error or type(error).__name__}.") from error
    return f"{answer.get('team', 'a team')} as {answer.get('user', 'a bot')}"
