"""E-mail by SMTP: a mail for each decision, those of a rollout in one thread."""

import logging
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum

from sentinel.adapters.channels.texts import NoticeText, told_bulletin, told_decision
from sentinel.blocking import BlockingPool, PoolBusyError, PoolClosedError
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import NoticeError
from sentinel.domain.notice import Bulletin, Notice
from sentinel.domain.record.entries import NoticeRef
from sentinel.ports import Clock
from sentinel.secret import Secret
from sentinel.values import dataclass

REMEMBERED = 1000
"""Of so many mails that some recipients refused for now, the others are remembered."""
_DOMAIN = "rollback-sentinel.dev"
log = logging.getLogger(__name__)


class MailSecurity(StrEnum):
    """How the connection is kept secret."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed in, and by whom; without a user nobody logs in."""

    host: str
    port: int
    security: MailSecurity
    username: str
    password: Secret
    sender: str
    recipients: tuple[str, ...]
    timeout: float


class MailNotifier:
    """Implements `ports.Channel`, by the standard library's client in two threads."""

    def __init__(self, name: str, server: MailServer, clock: Clock) -> None:
        self._name = name
        self._server = server
        self._clock = clock
        self._pool = BlockingPool("mail", threads=2, waiting=16)
        self._left: BoundedDict[str, tuple[str, ...]] = BoundedDict(REMEMBERED)

    async def publish(self, notice: Notice) -> NoticeRef | None:
        """Send the decision; progress alone is not mailed. Raises NoticeError."""
        entry, record = notice.entry, notice.record
        if entry is None:
            return None
        thread = f"<{record.key.namespace}.{record.name}.{record.uid[:8]}@{_DOMAIN}>"
        mail = self._mail(told_decision(notice, entry), urgent=notice.urgent)
        mail["Message-ID"] = f"<{entry.id}.{record.name}.{record.uid[:8]}@{_DOMAIN}>"
        mail["In-Reply-To"] = mail["References"] = thread
        await self._send(mail)
        return NoticeRef(self._name, "")

    async def broadcast(self, bulletin: Bulletin) -> None:
        """Send it. Raises NoticeError."""
        mail = self._mail(told_bulletin(bulletin), urgent=not bulletin.good)
        at = bulletin.at.timestamp() if bulletin.at is not None else 0
        mail["Message-ID"] = f"<{bulletin.kind.value}.{at:.6f}@{_DOMAIN}>"
        await self._send(mail)

    async def close(self) -> None:
        """Take no more mails."""
        self._pool.close()

    def _mail(self, told: NoticeText, *, urgent: bool) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = f"[sentinel] {told.title}"[:200]
        mail["From"] = self._server.sender
        mail["To"] = ", ".join(self._server.recipients)
        mail["Date"] = format_datetime(self._clock.now())
        mail["Auto-Submitted"] = "auto-generated"
        if urgent:
            mail["Importance"] = "high"
        links = [f"{text}: {url}" for text, url in told.links]
        mail.set_content("\n".join([told.title, "", *told.lines(), *([""] if links else []), *links]))
        return mail

    async def _send(self, mail: EmailMessage) -> None:
        """Send it to those who do not have it yet: a server may refuse some recipients for now, or for good."""
        ident = str(mail["Message-ID"])
        refused = await self._deliver(mail, self._left.get(ident, self._server.recipients))
        self._left.pop(ident, None)
        for_now = tuple(who for who, code in refused.items() if code < 500)
        if len(refused) > len(for_now):
            lost = {who: code for who, code in refused.items() if code >= 500}
            log.error("the mail server refuses recipients of %s: %s", self._name, lost)
        if for_now:
            self._left[ident] = for_now
            raise NoticeError(f"the mail server refuses recipients for now: {', '.join(for_now)}")

    async def _deliver(self, mail: EmailMessage, recipients: Sequence[str]) -> Mapping[str, int]:
        """The recipients that were refused, if others were not, with the server's codes. Raises NoticeError."""
        deadline = self._server.timeout * 2
        try:
            return await self._pool.run(lambda: deliver(self._server, mail, recipients), deadline=deadline)
        except TimeoutError as error:
            raise NoticeError(f"the mail server did not take the mail within {deadline:g} s") from error
        except (PoolBusyError, PoolClosedError) as error:
            raise NoticeError("too many mails wait for the mail server") from error
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _refused("the mail server refuses the recipients", max(codes, default=550)) from error
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error
            words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
            raise _refused(
                f"the mail server says {error.smtp_code} {words[:200]}", error.smtp_code
            ) from error
        except smtplib.SMTPNotSupportedError as error:
            raise NoticeError(f"the mail server cannot do it: {error}", retryable=False) from error
        except (smtplib.SMTPException, OSError) as error:
            raise NoticeError(f"the mail server cannot be reached: {type(error).__name__}") from error


def deliver(server: MailServer, mail: EmailMessage, recipients: Sequence[str]) -> Mapping[str, int]:
    """Hand it in; blocks. Returns the recipients that were refused, if others were not, with the server's codes.

    Raises smtplib's exceptions and OSError.
    """
    tls = ssl.create_default_context()
    if server.security is MailSecurity.TLS:
        client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=tls)
    else:
        client = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
    with client:
        if server.security is MailSecurity.STARTTLS:
            client.starttls(context=tls)
        if server.username:
            client.login(server.username, server.password())
        refused = client.send_message(mail, to_addrs=list(recipients))
    return {who: code for who, (code, _) in refused.items()}


def _refused(message: str, code: int) -> NoticeError:
    """Codes from 500 are for good, 4xx for now."""
    return NoticeError(message, retryable=code < 500)
