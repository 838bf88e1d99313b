"""No input ends in anything but a policy set or a list of clear errors."""

import json
from pathlib import Path

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sentinel.policies.load import PolicySet, load, restore
from sentinel.policies.yaml.document import read_documents

SEED = (Path(__file__).parents[2] / "rules/examples/canary.yaml").read_bytes()
DOCUMENT = yaml.safe_load(SEED)
DOCUMENT["spec"]["rules"] += [
    {"name": "one", "errorRate": {"preset": "istio", "prometheus": {"errors": 'x{a="b"}'}, "max": "5%"}},
    {"name": "two", "latency": {"preset": "grpc", "p99": "1s"}},
    {"name": "three", "errorRate": {"preset": "datadog-apm", "datadog": {"podLabel": "pod"}, "max": "5%"}},
]
JOB = {"spec": {"backoffLimit": 1, "template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}}}
DOCUMENT["spec"]["strategy"]["canary"]["steps"][0]["gates"] = [
    {"webhook": {"url": "http://qa/check", "within": "5m", "metadata": {"a": "b"}}},
    {"name": "job", "job": {"template": JOB, "within": "5m"}, "onFailure": "undo"},
]
BOUNDED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["5%", "1h30m", "$namespace", "value > 1.0", 'a=~"b"', "Deployment", "-1s", "1e999", "[", "((("]),
    st.just("traefik"),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


def check(data: bytes, folder: Path) -> None:
    """Load bytes: a set whose policies restore, or errors that are whole sentences with their place."""
    file = folder / "fuzz.yaml"
    file.write_bytes(data)
    result = load([file])
    if isinstance(result, PolicySet):
        for policy in result.policies:
            again = restore(json.loads(json.dumps(policy.document)))
            assert (again.digest, again.rules, again.strategy) == (
                policy.digest,
                policy.rules,
                policy.strategy,
            )
        return
    assert result
    for error in result:
        assert str(error).startswith(str(file))
        assert error.message.strip()
        assert "Traceback" not in str(error)
        str(error).encode()


def paths_in(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """All places in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, child in inner for found in paths_in(child, (*path, key)))]


def replaced(value: object, path: tuple[str | int, ...], new: object) -> object:
    """A document with one place exchanged."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


@BOUNDED
@given(st.binary(max_size=400))
@example(b"\x00")
@example(b"\xff\xfe\x00")
@example(b"a: \xc3\x28")
@example(b"%YAML 9.9\n---\na")
@example(b"---\n...\n---\n")
@example(b"? \n: \n")
@example(b"&a [*a]")
@example(b"- &a 1\n- &a 2\n- *a")
@example(b"!!binary x")
@example(b'"\\uD800"')
@example(b"{" * 3000)
@example(b"[[[" * 5000 + b"]]]" * 5000)
@example(b"a: " + b"9" * 5000)
@example(b"1e99999: .inf")
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    """Whatever bytes a file holds, the loader answers."""
    check(data, tmp_path)


@BOUNDED
@given(st.data())
def test_any_damage_to_a_good_file(tmp_path: Path, data: st.DataObject) -> None:
    """A good file with bytes removed, exchanged or put in still ends in a set or in errors."""
    damaged = bytearray(SEED)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        until = at + data.draw(st.integers(0, 12))
        damaged[at:until] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"\t", b"\n", b"*a", b"&a ", b"{", b": "])
        )
    check(bytes(damaged), tmp_path)


@BOUNDED
@given(st.sampled_from(paths_in(DOCUMENT)), values)
def test_any_value_at_any_place(tmp_path: Path, path: tuple[str | int, ...], new: object) -> None:
    """A good document with any value put at any place still ends in a set or in errors."""
    text = yaml.safe_dump(replaced(DOCUMENT, path, new), allow_unicode=True)
    check(text.encode("utf-8", "surrogatepass"), tmp_path)


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path: Path) -> None:
    """Size is checked before anything is parsed."""
    file = tmp_path / "big.yaml"
    file.write_bytes(b"- a\n" * 2_600_000)

    result = load([file])

    assert isinstance(result, list)
    assert [error.message for error in result] == ["is longer than 1 MiB"]


def test_a_bomb_of_anchors_is_refused() -> None:
    """Ten levels of ten would unfold to ten billion values."""
    lines = ["a0: &a0 x"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]

    documents, errors = read_documents("\n".join(lines).encode(), "bomb.yaml")

    assert not documents
    assert [error.message for error in errors] == ["unfolds to more than 50000 values"]
