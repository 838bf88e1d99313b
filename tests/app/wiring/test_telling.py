"""News of the sentinel itself, from several replicas."""

from __future__ import annotations

from sentinel.app.wiring.people.telling import News
from sentinel.domain.notice import Bulletin, BulletinKind
from sentinel.runtime.notify.bulletins import Bulletins

NEWS = Bulletin(BulletinKind.RULES_REFUSED, "Edited rule files are refused")


class Recorded(Bulletins):
    """Bulletins that keep what they are to send."""

    def __init__(self) -> None:
        self.sent: list[Bulletin] = []

    def tell(self, bulletin: Bulletin) -> None:
        """Keep it."""
        self.sent.append(bulletin)


def test_only_the_replica_that_acts_sends_news() -> None:
    """Every replica sees that rule files are refused; people hear of it once."""
    bulletins = Recorded()
    News(lambda: False, bulletins, {}).tell(NEWS)
    assert bulletins.sent == []
    News(lambda: True, bulletins, {}).tell(NEWS)
    assert bulletins.sent == [NEWS]
