"""What a second watch of some of the objects showed before the watch of all of them came to it."""

from sentinel.adapters.kubernetes.api.raw import ObjectKey, order_of


class Early:
    """Which versions of which objects were taken in early.

    The watch of all objects brings each of these events once more, and older ones of the same objects: neither is news.
    What it has reached itself is known from it, so that the second watch may lag behind it as well. Only where versions
    are whole numbers is anything taken in early. Memory is bounded by the objects that are ahead.
    """

    def __init__(self) -> None:
        self._shown: dict[ObjectKey, int] = {}

    def admits(self, key: ObjectKey, version: str, reached: str) -> bool:
        """Whether this version is news, the watch of all objects having `reached` another: then it counts as shown."""
        known = max(order_of(reached), self._shown.get(key, 0))
        if not reached or order_of(version) <= known:
            return False
        self._shown[key] = order_of(version)
        return True

    def had(self, key: ObjectKey, version: str) -> bool:
        """Whether this version, which the watch of all objects has come to, or a newer one was taken in early."""
        shown = self._shown.get(key)
        if shown is None:
            return False
        if order_of(version) >= shown:
            del self._shown[key]
        return order_of(version) <= shown

    def clear(self) -> None:
        """Nothing is ahead: the watch of all objects starts over."""
        self._shown.clear()
