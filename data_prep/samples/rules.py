"""Reads label rules from small YAML files.

A file, with every key that it may have (only ``rules`` is required)::

    description: Galaxy Zoo 2 votes
    id: [dr7objid, objid]           # usual names of the id column; the first one found is used
    classes:                        # in this order (alphabetical order without it), with their descriptions
      elliptical: smooth, without a disc or other features
      irregular: undecided votes, not a morphology
      spiral: spiral arms, or a disc seen edge-on
    columns:                        # short names of columns, for use below
      smooth: t01_smooth_or_features_a01_smooth_debiased
    parameters: {threshold: 0.65}   # numbers that can be set on the command line
    needs: [smooth, featured]       # a galaxy without these is unlabelled (default: all columns of the rules)
    rules:                          # the first that matches gives the label
      - {exclude: star or artifact, where: {star: ">= 0.5"}}
      - {label: spiral, where: {featured * edge_on + featured * face_on * arms: ">= threshold"}}
      - {label: elliptical, where: {smooth: ">= threshold", odd: ["> 0.1", "< 0.4"]}}
    otherwise: irregular            # without it, a galaxy that matches no rule is unlabelled
    votes:                          # soft targets
      count: total_classifications  # the number of votes
      fractions: {elliptical: smooth, spiral: featured * edge_on + featured * face_on * arms}
      threshold: threshold          # the target is the probability that the true fraction reaches it
      rest: irregular               # the class that gets the remaining probability

All conditions of a rule must hold. A condition is an operator (``>=``, ``>``, ``<=``, ``<``, ``==``, ``!=``)
and a number, a parameter or, for ``==`` and ``!=``, text; ``in a, b`` lists alternatives. No part of a file
is ever run as code.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from data_prep.common.errors import GalaxyError, shown
from data_prep.common.plain_yaml import read_plain_yaml
from data_prep.common.suggestions import nearest
from data_prep.samples.class_names import check_class_names
from data_prep.samples.conditions import (
    Condition,
    Expression,
    parse_condition,
    parse_expression,
    parse_number,
)
from data_prep.samples.labelling import UNLABELLED, LabelRules, Rule, VoteRules
from data_prep.samples.presets import find_rules

_EXAMPLE: Final = "{label: spiral, where: {P_CS: '>= 0.8'}}"
_KEYS: Final = (
    "name", "description", "id", "classes", "columns", "parameters", "needs", "rules", "otherwise", "votes",
)  # fmt: skip
_RULE_KEYS: Final = ("label", "exclude", "where")
_VOTE_KEYS: Final = ("count", "fractions", "threshold", "rest")


def read_rules(name_or_path: str, parameters: Mapping[str, float] | None = None) -> LabelRules:
    """Reads and checks label rules.

    Args:
        name_or_path: A preset, such as ``gz1_threshold``, or a YAML file in the form described above.
        parameters: Values that replace those of the file's parameters.

    Returns:
        The rules.

    Raises:
        GalaxyError: The file is missing or invalid, or it does not have one of the parameters. The message
            names the file and the rule.

    Examples:
        >>> rules = read_rules("gz1_threshold", {"threshold": 0.8})
        >>> list(rules.classes)
        ['elliptical', 'irregular', 'spiral']
        >>> fractions = {"P_EL_DEBIASED": [0.9, 0.5], "P_CS_DEBIASED": [0.1, 0.5]}
        >>> votes = pd.DataFrame(fractions | {"NVOTE": [40, 30]})
        >>> rules.apply(votes).labels.tolist()
        ['elliptical', 'irregular']
    """
    path = find_rules(name_or_path)
    return _RulesFile(path, read_plain_yaml(path), parameters or {}).parse()


class _RulesFile:
    """The content of a file of label rules while it is checked.

    Args:
        path: The file.
        content: Its content.
        overrides: Values that replace those of its parameters.
    """

    def __init__(self, path: Path, content: dict[str, Any], overrides: Mapping[str, float]) -> None:
        self.path = path
        self.content = content
        self.overrides = overrides
        self.columns: dict[str, str] = {}
        self.parameters: dict[str, float] = {}

    def parse(self) -> LabelRules:
        """Returns the rules."""
        self._refuse_unknown("the file", self.content, _KEYS)
        if "rules" not in self.content:
            raise self._error(f"it has no 'rules': add a list such as - {_EXAMPLE}")
        for key, value in self._mapping("columns").items():
            self.columns[key] = self._text(f"columns, {key}", value)
        self._parse_parameters()
        rules = [self._parse_rule(number, rule) for number, rule in enumerate(self._rules(), start=1)]
        otherwise = self._optional_text(self.content, "otherwise")
        self._refuse_unreachable(rules, otherwise)
        labels = [*(rule.label for rule in rules if rule.label), *([otherwise] if otherwise else [])]
        classes = self._parse_classes(labels)
        if "needs" in self.content:
            needs = tuple(self.columns.get(name, name) for name in self._names("needs"))
        else:
            read = [condition.expression.columns for rule in rules for condition in rule.conditions]
            needs = tuple(dict.fromkeys(name for columns in read for name in columns))
        name = self._text("name", self.content.get("name", self.path.stem))
        parameters = {"parameters": self.parameters} if self.parameters else {}
        return LabelRules(
            name=name,
            source=str(self.path),
            description=self._text("description", self.content.get("description", name)),
            classes=classes,
            id_columns=tuple(self._names("id")),
            parameters=self.parameters,
            needs=needs,
            rules=tuple(rules),
            otherwise=otherwise,
            votes=self._parse_votes(classes) if "votes" in self.content else None,
            content={"name": name} | self.content | parameters,
        )

    def _error(self, problem: str, where: str = "") -> GalaxyError:
        """Returns the error for a problem in a part of the file."""
        return GalaxyError(f"{self.path}{f', {where}' if where else ''}: {problem}")

    def _refuse_unknown(self, where: str, found: Mapping[Any, Any], known: Iterable[str]) -> None:
        """Raises an error if a mapping has a key that it cannot have."""
        for key in found:
            if key not in known:
                hint = nearest(key, known) if isinstance(key, str) else ""
                raise self._error(f"{where} has no key {shown(key)}{hint}: use {', '.join(known)}")

    def _text(self, where: str, value: Any, *, empty: bool = False) -> str:
        """Returns a text of one line."""
        if isinstance(value, str):
            text = " ".join(value.split()) if empty or where == "description" else value.strip()
            if (text or empty) and text.isprintable():
                return text
        raise self._error(f"{shown(value)} is not a text of one line: write it in quotes", where)

    def _optional_text(self, found: Mapping[str, Any], key: str) -> str | None:
        """Returns the text of a key, None if the mapping does not have it."""
        return self._text(key, found[key]) if key in found else None

    def _mapping(self, key: str) -> dict[str, Any]:
        """Returns the mapping of a key, empty if the file does not have it; its names are texts."""
        value = self.content.get(key, {})
        if not isinstance(value, dict):
            raise self._error(f"{shown(value)} is not a list of names with values: write name: value", key)
        for name in value:
            if self._text(key, name) != name:
                raise self._error(f"{shown(name)}: remove the spaces around the name", key)
        return value

    def _names(self, key: str) -> list[str]:
        """Returns the list of texts of a key, empty if the file does not have it; one text is a list too."""
        value = self.content.get(key, [])
        values = value if isinstance(value, list) else [value]
        return [self._text(key, item) for item in values]

    def _parse_parameters(self) -> None:
        """Reads the parameters and replaces their values."""
        for name, value in self._mapping("parameters").items():
            number = parse_number(value)
            if not name.isidentifier():
                raise self._error(f"{name!r} is not a name: use letters, digits and _", "parameters")
            if number is None:
                raise self._error(f"{shown(value)} is not a number such as 0.65", f"parameter {name}")
            self.parameters[name] = number
        for name, value in self.overrides.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise self._error(f"no parameter {name!r}{nearest(name, self.parameters)}: it has {known}")
            votes = self.content.get("votes")
            if isinstance(votes, dict) and votes.get("threshold") == name and not 0 < value <= 1:
                raise GalaxyError(f"{name} {value} is not a vote fraction: it must be above 0 and at most 1")
            number = parse_number(value)
            if number is None:
                raise GalaxyError(f"{name} {value} is not a number")
            self.parameters[name] = number

    def _rules(self) -> list[Any]:
        """Returns the list of rules."""
        rules = self.content["rules"]
        if not isinstance(rules, list) or not rules:
            raise self._error(f"'rules' must be a list such as - {_EXAMPLE}")
        return rules

    def _parse_rule(self, number: int, rule: Any) -> Rule:
        """Reads one rule."""
        where = f"rule {number}"
        if not isinstance(rule, dict):
            raise self._error(f"{shown(rule)} is not a rule: write {_EXAMPLE}", where)
        self._refuse_unknown(where, rule, _RULE_KEYS)
        if ("label" in rule) == ("exclude" in rule):
            raise self._error("it needs either a 'label' or, to leave galaxies out, 'exclude: reason'", where)
        label = self._text(where, rule["label"]) if "label" in rule else UNLABELLED
        reason = self._text(where, rule["exclude"]) if "exclude" in rule else ""
        name = f"{where} ({label or f'exclude {reason}'})"
        conditions = rule.get("where", {})
        if not isinstance(conditions, dict) or (not conditions and "where" in rule):
            raise self._error(
                f"{shown(conditions)} is not a list of conditions: write where: {{P_CS: '>= 0.8'}}", name
            )
        return Rule(name, label, reason, tuple(self._parse_conditions(name, conditions)))

    def _parse_conditions(self, where: str, conditions: Mapping[Any, Any]) -> list[Condition]:
        """Reads the conditions of one rule."""
        parsed: list[Condition] = []
        try:
            for text, wanted in conditions.items():
                expression = parse_expression(text, self.columns)
                if not wanted and isinstance(wanted, list):
                    raise GalaxyError(f"{shown(text)} has no condition")
                texts = wanted if isinstance(wanted, list) else [wanted]
                parsed += [parse_condition(expression, one, self.parameters) for one in texts]
        except GalaxyError as error:
            raise self._error(str(error), where) from None
        return parsed

    def _refuse_unreachable(self, rules: list[Rule], otherwise: str | None) -> None:
        """Raises an error if an earlier rule always matches first."""
        earlier: dict[frozenset[Condition], str] = {}
        for rule in rules:
            if first := earlier.get(frozenset()) or earlier.get(frozenset(rule.conditions)):
                raise self._error(f"it never applies, since {first} matches first: remove it", rule.name)
            earlier[frozenset(rule.conditions)] = rule.name
        if otherwise is not None and (first := earlier.get(frozenset())):
            raise self._error(f"it never applies, since {first} matches all galaxies: remove it", "otherwise")

    def _parse_classes(self, labels: list[str]) -> dict[str, str]:
        """Returns the classes in order, with their descriptions."""
        if "classes" in self.content:
            classes = {
                name: "" if text is None else self._text(f"class {name}", text, empty=True)
                for name, text in self._mapping("classes").items()
            }
            for label in labels:
                if label not in classes:
                    raise self._error(f"the label {label!r}{nearest(label, classes)} is not in 'classes'")
            for name in classes:
                if name not in labels:
                    raise self._error(f"no rule gives the class {name!r}: add a rule, or remove the class")
        else:
            classes = dict.fromkeys(sorted(set(labels)), "")
        try:
            check_class_names(list(classes))
        except GalaxyError as error:
            raise self._error(str(error)) from None
        return classes

    def _parse_votes(self, classes: Mapping[str, str]) -> VoteRules:
        """Reads how votes become soft targets."""
        votes = self._mapping("votes")
        self._refuse_unknown("votes", votes, _VOTE_KEYS)
        fractions: dict[str, Expression] = {}
        given = votes.get("fractions")
        if not isinstance(given, dict) or not given:
            raise self._error("it needs 'fractions', such as {spiral: P_CS, elliptical: P_EL}", "votes")
        rest = self._optional_text(votes, "rest")
        for label in [*given, *([] if rest is None else [rest])]:
            if label not in classes:
                hint = nearest(label, classes) if isinstance(label, str) else ""
                raise self._error(f"{shown(label)}{hint} is not a class of the rules", "votes")
        for name in classes:
            if (name in given) == (name == rest):
                raise self._error(f"class {name!r} must be either in 'fractions' or the 'rest'", "votes")
        for label, text in given.items():
            try:
                fractions[label] = parse_expression(text, self.columns)
            except GalaxyError as error:
                raise self._error(str(error), f"votes, {label}") from None
        count = self._optional_text(votes, "count")
        threshold = self._parse_vote_threshold(votes["threshold"]) if "threshold" in votes else None
        if threshold is not None and count is None:
            raise self._error("a threshold needs the number of votes: add 'count: COLUMN'", "votes")
        return VoteRules(self.columns.get(count, count) if count else None, fractions, threshold, rest)

    def _parse_vote_threshold(self, given: Any) -> float:
        """Returns the vote fraction that a number or the name of a parameter stands for."""
        value = parse_number(self.parameters.get(given, given) if isinstance(given, str) else given)
        if value is None:
            hint = nearest(given, self.parameters) if isinstance(given, str) else ""
            raise self._error(f"threshold {shown(given)}{hint} is neither a number nor a parameter", "votes")
        if not 0 < value <= 1:
            raise self._error(
                f"threshold {value:g} is not a vote fraction: it must be above 0 and at most 1", "votes"
            )
        return value
