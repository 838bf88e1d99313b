"""Cutting a byte stream into lines of any length."""

from sentinel.domain.errors import ClusterError

MAX_LINE_BYTES = 64 * 1024 * 1024


class LineBuffer:
    """Collects chunks and gives the lines that are complete. An event line may be larger than any read buffer."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in this chunk, without their line breaks, empty ones left out.

        Raises ClusterError when a line grows over the limit: no Kubernetes object is that large.
        """
        head, *rest = chunk.split(b"\n")
        self._parts.append(head)
        self._size += len(head)
        if self._size > self._limit:
            raise ClusterError(f"a watch line of more than {self._limit} bytes", reason="Garbage")
        if not rest:
            return []
        lines = [b"".join(self._parts), *rest[:-1]]
        self._parts = [rest[-1]]
        self._size = len(rest[-1])
        return [line for line in lines if line.strip()]
