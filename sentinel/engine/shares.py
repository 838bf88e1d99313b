"""How a policy's error level is split over its rules, so that the whole rollout keeps it."""

from collections.abc import Mapping

from sentinel.domain.policy import ErrorRateRule, LatencyRule, Method, Policy


def shares(policy: Policy) -> Mapping[str, float]:
    """Each statistical rule's share of its own α, by name; they sum to 1.

    A rule is then judged with α times its share times its segment's: with the default α of 1 % in every rule, a good
    candidate is undone by any of them with a chance of at most 1 % over the whole rollout (Bonferroni's inequality).
    Rules that count by a plain threshold promise no level and take no share.
    """
    rules = [
        rule
        for rule in policy.rules
        if isinstance(rule, ErrorRateRule | LatencyRule) and rule.method is Method.SEQUENTIAL
    ]
    return {rule.name: 1 / len(rules) for rule in rules}
