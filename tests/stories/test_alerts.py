"""Stories that an alert decides."""

from sentinel.domain.record import Action, Phase
from tests.support.world import NAMESPACE, World, decision


async def test_an_alert_that_undid_stays_recorded_as_its_cause(shop: World) -> None:
    """While the undo goes on the pods change hands; what the alert came to is not judged anew."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    pods = shop.cluster.pods("web", namespace=NAMESPACE)
    (pod,) = (p for p in pods if p["spec"]["containers"][0]["image"] == "web:2")
    await shop.post_alerts(shop.alert(pod=pod["metadata"]["name"]))
    record = await shop.phase(Phase.UNDONE, image="web:2")
    assert decision(record, Action.UNDO).rule == "alert HighErrorRate"
    assert [alert.verdict for alert in record.alerts] == ["undo: Alert"]
