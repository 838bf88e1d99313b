"""Notices by e-mail, against a mail server on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from sentinel.adapters.channels.mail import MailNotifier, MailSecurity, MailServer
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Notice
from sentinel.domain.record.entries import Action
from sentinel.ports import SystemClock
from sentinel.secret import fixed
from tests.engine.builders import entry, in_state

SAID = replace(entry(Action.UNDO, "ErrorRate", 5), message="errors:\r\nBcc: eve@evil.example\n.\nend — ü")


@dataclass
class Smtp:
    """A mail server that speaks as much of SMTP as a client needs. `refusals` answers commands with a code,
    `recipients` each of these recipients once by each of its answers. `handed`: who got each mail."""

    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    recipients: dict[str, list[str]] = field(default_factory=dict)
    handed: list[list[str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""

        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        taken: list[str] = []
        say("220 mail.example")
        while line := await reader.readline():
            command = line.decode().split(maxsplit=1)[0].upper().partition(":")[0]
            if command in self.refusals:
                say(self.refusals[command])
            elif command == "RCPT":
                who = line.decode().partition("<")[2].partition(">")[0]
                answers = self.recipients.get(who) or ["250 fine"]
                say(answers[0])
                taken += [who] if answers[0] == "250 fine" else []
                del answers[0]
            elif command == "DATA":
                self.handed.append(taken)
                say("354 go on")
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                say("250 taken")
            else:
                say({"EHLO": "250 8BITMIME", "QUIT": "221 bye"}.get(command, "250 fine"))
        writer.close()


@pytest.fixture
async def smtp() -> AsyncIterator[Smtp]:
    """The server."""
    made = Smtp()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def notifier(port: int, *to: str) -> MailNotifier:
    """A channel to it."""
    recipients = to or ("ops@shop.example",)
    server = MailServer(
        "127.0.0.1", port, MailSecurity.NONE, "", fixed(""), "s@shop.example", recipients, 5.0
    )
    return MailNotifier("email/ops", server, SystemClock())


def notice() -> Notice:
    """Of a decision that calls people."""
    return Notice(replace(in_state(), uid="0123456789"), SAID, advice=("look",), urgent=True)


def read(mail: bytes) -> EmailMessage:
    """The mail as a client shows it."""
    made = message_from_bytes(mail, policy=policy.default)
    assert isinstance(made, EmailMessage)
    return made


async def test_a_decision_is_a_mail_in_its_rollouts_thread(smtp: Smtp) -> None:
    """Sent twice it has the same id; its text is text, whatever an alert's author wrote."""
    channel = notifier(smtp.port)
    place = await channel.publish(notice())
    await channel.publish(notice())
    await channel.close()
    first, second = map(read, smtp.mails)
    assert place is not None
    assert first["Message-ID"] == second["Message-ID"]
    assert first["In-Reply-To"] != first["Message-ID"]
    assert (first["Importance"], first["Bcc"], first["To"]) == ("high", None, "ops@shop.example")
    assert "Bcc: eve@evil.example" in first.get_content()
    assert "end — ü" in first.get_content()


@pytest.mark.parametrize(
    ("refusals", "retryable"),
    [
        ({"MAIL": "451 later"}, True),
        ({"RCPT": "550 nobody"}, False),
        ({"RCPT": "450 busy"}, True),
        ({"DATA": "554 no"}, False),
    ],
)
async def test_refusals_for_good_are_told_from_those_for_now(
    smtp: Smtp, refusals: dict[str, str], retryable: bool
) -> None:
    """By SMTP's codes."""
    smtp.refusals = refusals
    channel = notifier(smtp.port)
    with pytest.raises(NoticeError) as found:
        await channel.publish(notice())
    await channel.close()
    assert found.value.retryable is retryable


async def test_no_server_is_an_outage(smtp: Smtp) -> None:
    """It is tried again."""
    channel = notifier(1)
    with pytest.raises(NoticeError, match="cannot be reached") as found:
        await channel.publish(notice())
    await channel.close()
    assert found.value.retryable
