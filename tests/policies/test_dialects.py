"""What only some servers understand is remarked on by `rules check`, and refused by none of its checks."""

from __future__ import annotations

from pathlib import Path

from sentinel.policies.checking import Checked, check_paths

HEAD = """\
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: till}
spec:
  match: {namespaces: [market]}
  rules:
"""


def checked(folder: Path, rule: str) -> Checked:
    file = folder / "till.yaml"
    file.write_text(HEAD + rule)
    return check_paths([file])


def test_a_newer_query_passes_with_a_remark(tmp_path: Path) -> None:
    """The remark names the rule and says what was not understood."""
    found = checked(
        tmp_path,
        "    - {name: q, query: {prometheus: 'sum(rate(a{namespace=\"$namespace\"}[2*5m]))', fail: value > 1.0}}\n",
    )
    assert not found.errors
    (remark,) = found.remarks
    assert remark.path == "spec.rules[0].query.prometheus"
    assert "cannot parse this query (unexpected character inside brackets" in remark.message


def test_names_in_quotes_need_prometheus_3(tmp_path: Path) -> None:
    """Each of them is named once, whether the rule or the question names it."""
    found = checked(
        tmp_path,
        """\
    - name: errors
      errorRate:
        prometheus:
          total: '{"till.hits", "namespace"="$namespace"}'
          errors: '{"till.hits", "namespace"="$namespace", "http.status"="500"}'
          podLabel: k8s.pod.name
        max: 5%
""",
    )
    assert not found.errors
    (remark,) = found.remarks
    assert remark.path == "spec.rules[0].errorRate.prometheus"
    assert remark.message.startswith('names "http.status", "k8s.pod.name" in quotes')


def test_plain_rules_have_no_remark(tmp_path: Path) -> None:
    """A query that every server knows passes without a word."""
    found = checked(
        tmp_path,
        "    - {name: q, query: {prometheus: 'max(a{namespace=\"$namespace\", b=~`c\\d`})', fail: value > 1.0}}\n",
    )
    assert (found.errors, found.remarks) == ((), ())
