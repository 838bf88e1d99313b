"""The arguments of Argo's analysis templates: their values where they are known, else a documented placeholder."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field

from sentinel.policies.importing.draft import ImportRefusedError, Values
from sentinel.policies.importing.queries import fill, literal
from sentinel.policies.importing.shapes import items, mapping, text
from sentinel.values import dataclass

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_HASHES = {"Latest": "candidate_hash", "Stable": "baseline_hash"}
_FIELDS = {"metadata.namespace": "namespace", "metadata.name": "workload"}
_ROLLOUT_FIELDS = {"rollout.metadata.name": "workload", "rollout.metadata.namespace": "namespace"}


@dataclass(slots=True)
class Arguments:
    """What is known of a template's arguments.

    `values` are given texts, `variables` are arguments whose value is one of the sentinel's variables, `secrets` come
    from Secrets. `missed` collects the names that were asked for and are not known.
    """

    values: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    missed: dict[str, None] = field(default_factory=dict)

    def take(self, declared: Iterable[Values]) -> None:
        """Take argument declarations in; later ones win where they give a value."""
        for argument in declared:
            self._one(text(argument.get("name")), argument)

    def give(self, values: Mapping[str, str]) -> None:
        """Take values from the command line in; they win over everything."""
        for name, value in values.items():
            self.variables.pop(name, None)
            self.secrets.discard(name)
            self.values[name] = value

    def in_query(self, query: str, *, anywhere: bool = False) -> str:
        """A query with its arguments filled in; an unknown one is left as a placeholder inside quotes (or anywhere).

        Raises ImportRefusedError for an argument that cannot stand where it stands.
        """
        return fill(query, _PLACEHOLDER, self._for_query, anywhere=anywhere)

    def in_plain(self, value: object, what: str) -> str:
        """A condition or setting with its arguments filled in. Raises ImportRefusedError for an unknown one."""

        def one(match: re.Match[str]) -> str:
            name = self._name(match[1].strip())
            if name in self.values:
                return self.values[name]
            self.missed[name] = None
            raise ImportRefusedError(f"{what} needs the argument {name}; give it with --arg {name}=VALUE")

        return _PLACEHOLDER.sub(one, text(value))

    def _one(self, name: str, argument: Values) -> None:
        source = mapping(argument.get("valueFrom"))
        variable = _HASHES.get(text(source.get("podTemplateHashValue"))) or _FIELDS.get(
            text(mapping(source.get("fieldRef")).get("fieldPath"))
        )
        if "value" in argument and argument["value"] is not None:
            self.give({name: text(argument["value"])})
        elif variable:
            self.values.pop(name, None)
            self.variables[name] = variable
        elif source.get("secretKeyRef"):
            self.secrets.add(name)

    def _name(self, inner: str) -> str:
        return inner.removeprefix("args.")

    def _for_query(self, inner: str, quoted: bool) -> str:
        name = self._name(inner)
        variable = self.variables.get(name) or _ROLLOUT_FIELDS.get(inner)
        if variable and name not in self.values:
            if not quoted:
                raise ImportRefusedError(
                    f"the argument {name} is outside quotes, where variables are not allowed"
                )
            return f"${{{variable}}}"
        if name in self.values:
            return literal(self.values[name])
        if name in self.secrets:
            raise ImportRefusedError(f"the argument {name} comes from a Secret, which must not be in a query")
        self.missed[name] = None
        if not quoted:
            raise ImportRefusedError(f"the query needs the argument {name}; give it with --arg {name}=VALUE")
        return "TODO-" + "".join(char if char.isalnum() or char in "-_" else "-" for char in name)


def declared_in(spec: Values) -> list[Values]:
    """The argument declarations of a template or of a reference to templates."""
    return items(spec.get("args"))
