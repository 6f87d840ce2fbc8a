"""Files of label rules: what they may say, and the error for what they may not."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.common.errors import GalaxyError
from data_prep.common.plain_yaml import MAX_BYTES
from data_prep.samples.rules import _KEYS, _RULE_KEYS, _VOTE_KEYS, read_rules

RULES = "rules: [{label: a, where: {x: '> 1'}}, {label: b, where: {x: '< 1'}}]\n"


def write(folder, text):
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_a_file_needs_only_rules(tmp_path):
    rules = read_rules(write(tmp_path, RULES))
    assert (rules.name, rules.description) == ("mine", "mine")
    assert rules.classes == {"a": "", "b": ""}
    assert rules.columns == rules.label_columns == rules.needs == ("x",)
    assert rules.votes is rules.otherwise is None
    assert rules.id_columns == ()


def test_every_key(tmp_path):
    text = """
    name: my rules
    description: |
      two
      lines
    id: [objid, name]
    classes: {z: the last letter, a: }
    columns: {f: a_very_long_name, g: another}
    parameters: {cut: 0.6, tiny: 1e-3}
    needs: f
    rules:
      - {exclude: too few votes, where: {n: "< 20"}}
      - {label: z, where: {f * g + h: [">= cut", "<= 1"], kind: "in Sa, Sb"}}
    otherwise: a
    votes: {count: n, fractions: {z: f * g}, threshold: cut, rest: a}
    """
    rules = read_rules(write(tmp_path, text), {"cut": 0.8})
    assert (rules.name, rules.description) == ("my rules", "two lines")
    assert list(rules.classes.items()) == [("z", "the last letter"), ("a", "")]
    assert rules.id_columns == ("objid", "name")
    assert rules.parameters == {"cut": 0.8, "tiny": 0.001}
    assert rules.needs == ("a_very_long_name",)
    assert rules.columns == ("n", "a_very_long_name", "another", "h", "kind")
    assert rules.votes.threshold == 0.8
    assert rules.votes.columns == ("a_very_long_name", "another", "n")
    assert [rule.name for rule in rules.rules] == ["rule 1 (exclude too few votes)", "rule 2 (z)"]
    assert [condition.values for condition in rules.rules[1].conditions] == [(0.8,), (1.0,), ("Sa", "Sb")]


def test_the_json_for_provenance_is_a_file_of_the_same_rules(tmp_path):
    for name in ("gz1_threshold", "gz2_seven"):
        rules = read_rules(name, {"threshold": 0.71} if name == "gz1_threshold" else {})
        again = read_rules(write(tmp_path, json.dumps(rules.to_json())))
        assert again.to_json() == rules.to_json()
        assert (again.rules, again.votes, again.parameters) == (rules.rules, rules.votes, rules.parameters)


def test_values_in_quotes_are_text(tmp_path):
    text = """
    parameters: {E: 3}
    rules:
      - {label: a, where: {x: "== '1'", y: '!= "E"', z: "== E", u: "in 1, 2", v: "in 1, E7"}}
    otherwise: b
    """
    conditions = read_rules(write(tmp_path, text)).rules[0].conditions
    assert [condition.values for condition in conditions] == [
        ("1",),
        ("E",),
        (3.0,),
        (1.0, 2.0),
        ("1", "E7"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "does not hold names with values"),
        ("", "does not hold names with values"),
        ("rules: [", "line 1: not valid YAML"),
        ("rules: [{label: a, where: {x: >= 1}}]", "line 1: not valid YAML .*in quotes"),
        ("rules: [{label: a, where: {x: != 1}}]", "line 1: tags .*in quotes"),
        ("rules: !!python/object/apply:os.system [ls]", "line 1: tags"),
        ("a: &a [1]\nrules: *a", "line 1: anchors"),
        ("a: &a [x]\nb: [*a, *a]", "line 1: anchors"),
        ("rules: []\nrules: []", "line 2: 'rules' appears twice"),
        ("rules: [{label: a, label: b}]", "line 1: 'label' appears twice"),
        ("? [a]\n: b", "line 1: a list or mapping cannot be a name"),
        ("<<: {a: b}", "line 1: merging"),
        ("x: " + "[" * 20 + "]" * 20, "line 1: .*nested more than 8 deep"),
        ("x: " + "[" * 30_000, "line 1: .*nested more than 8 deep"),
        ("---\na: b\n---\na: b", "not valid YAML"),
        (b"a: \xff", "not text in UTF-8"),
        (b"a: \x00", "cannot be read as YAML"),
        ("#" * (MAX_BYTES + 1), "larger than 64 KiB"),
        ("d: 2001-99-99", "cannot be read"),
        ("description: x", "has no 'rules': add a list"),
        ("rule: []", r"no key 'rule' \(did you mean rules\?\)"),
        ("rules: []", "'rules' must be a list"),
        ("rules: {label: a}", "'rules' must be a list"),
        ("rules: [a]", "rule 1: 'a' is not a rule"),
        ("rules: [{lable: a}]", r"rule 1 has no key 'lable' \(did you mean label\?\)"),
        ("rules: [{where: {x: '> 1'}}]", "rule 1: it needs either a 'label'"),
        ("rules: [{label: a, exclude: b, where: {x: '> 1'}}]", "rule 1: it needs either a 'label'"),
        ("rules: [{label: no, where: {x: '> 1'}}]", "rule 1: False is not a text.*quotes"),
        ('rules: [{label: "a\\nb", where: {x: "> 1"}}]', "rule 1: .* is not a text of one line"),
        ("rules: [{label: a, where: x > 1}]", r"rule 1 \(a\): 'x > 1' is not a list of conditions"),
        ("rules: [{label: a, where: {}}]", r"rule 1 \(a\): {} is not a list of conditions"),
        ("rules: [{label: a, where: {x: []}}]", r"rule 1 \(a\): 'x' has no condition"),
        ("rules: [{label: a, where: {x: 1}}]", r"rule 1 \(a\): 1 is not a condition"),
        ("rules: [{label: a, where: {x: '= 1'}}]", r"rule 1 \(a\): '= 1' is not a condition"),
        ("rules: [{label: a, where: {x: '=== 1'}}]", r"rule 1 \(a\): '=== 1' is not a condition"),
        ("rules: [{label: a, where: {x: 'lambda x: x'}}]", r"rule 1 \(a\): .* is not a condition"),
        ("rules: [{label: a, where: {x: '>= '}}]", r"rule 1 \(a\): .* is not a condition"),
        ("rules: [{label: a, where: {x: 'in a,,b'}}]", r"rule 1 \(a\): .* empty value"),
        ("rules: [{label: a, where: {x: '>= 1e999'}}]", "too large"),
        (
            "parameters: {threshold: 1}\nrules: [{label: a, where: {x: '>= treshold'}}]",
            r"'treshold' is neither a number nor a parameter \(did you mean threshold\?\)",
        ),
        ("rules: [{label: a, where: {1: '> 1'}}]", r"rule 1 \(a\): 1 is not a column name.*quotes"),
        ("rules: [{label: a, where: {x*y: '> 1'}}]", r"rule 1 \(a\): .*spaces around"),
        ("rules: [{label: a, where: {x *  * y: '> 1'}}]", r"rule 1 \(a\): .* is not a column"),
        ("rules: [{label: a, where: {x * x: '== Sa'}}]", "cannot be compared with text"),
        ("rules: [{label: a, where: {x: '> 1'}}]", "a classifier needs 2 to 100"),
        ("rules: [{label: a}, {label: b, where: {x: '> 1'}}]", r"rule 2 \(b\): .*since rule 1 \(a\)"),
        ("rules: [{label: a}]\notherwise: b", r"otherwise: it never applies, since rule 1 \(a\)"),
        (
            "rules: [{label: a, where: {x: '> 1'}}, {label: b, where: {x: '> 1.0'}}]",
            r"rule 2 \(b\): it never applies, since rule 1 \(a\)",
        ),
        (RULES + "classes: {a: , c: }", "the label 'b' is not in 'classes'"),
        (RULES + "classes: {a: , b: , c: }", "no rule gives the class 'c'"),
        ("rules: [{label: a, where: {x: '> 1'}}]\notherwise: A", "'A' and 'a' .*rename one"),
        (RULES + "classes: [a, b]", "classes: .* is not a list of names with values"),
        (RULES + "classes: {a: [x], b: }", "class a: .* is not a text"),
        (RULES + "classes: {a: , b: , 'b ': }", "classes: 'b ': remove the spaces"),
        (RULES + "otherwise: ", "otherwise: None is not a text"),
        (RULES + "parameters: {t: x}", "parameter t: 'x' is not a number"),
        (RULES + "parameters: {t: .nan}", "parameter t: nan is not a number"),
        (RULES + "parameters: {t: true}", "parameter t: True is not a number"),
        (RULES + "parameters: {t: " + "9" * 5000 + "}", "cannot be read|is not a number"),
        (RULES + "parameters: {a b: 1}", "parameters: 'a b' is not a name"),
        (RULES + "needs: [1]", "needs: 1 is not a text"),
        (RULES + "votes: ", "votes: None is not a list of names"),
        (RULES + "votes: {rest: a}", "votes: it needs 'fractions'"),
        (RULES + "votes: {fraction: {a: x}}", r"votes has no key 'fraction' \(did you mean fractions\?\)"),
        (RULES + "votes: {fractions: {a: x}}", "class 'b' must be either in 'fractions' or the 'rest'"),
        (RULES + "votes: {fractions: {a: x, b: x}, rest: a}", "class 'a' must be either"),
        (RULES + "votes: {fractions: {a: x, c: x}}", "votes: 'c' is not a class"),
        (RULES + "votes: {fractions: {a: x, b: [x]}}", r"votes, b: \['x'\] is not a column name"),
        (
            RULES + "votes: {fractions: {a: x}, rest: b, threshold: 0.5}",
            "votes: a threshold needs the number",
        ),
        (RULES + "votes: {fractions: {a: x}, rest: b, count: n, threshold: 65}", "65 is not a vote fraction"),
        (RULES + "votes: {fractions: {a: x}, rest: b, count: n, threshold: t}", "'t' is neither a number"),
        (RULES + "votes: {fractions: {a: x}, rest: b, count: n, threshold: }", "None is neither a number"),
    ],
)
def test_the_error_says_where_and_what_to_do(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(GalaxyError, match=message) as error:
        read_rules(path)
    assert str(error.value).startswith(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < len(path) + 300


def test_parameters_that_the_file_does_not_have_are_refused():
    with pytest.raises(GalaxyError, match=r"no parameter 'treshold' \(did you mean threshold\?\)"):
        read_rules("gz1_threshold", {"treshold": 0.5})
    with pytest.raises(GalaxyError, match=r"gz1_flags.yaml: no parameter 'threshold': it has none"):
        read_rules("gz1_flags", {"threshold": 0.5})
    with pytest.raises(GalaxyError, match="threshold nan is not a number"):
        read_rules("gz2_smooth_featured", {"threshold": float("nan")})


@pytest.mark.parametrize("threshold", [0, -0.5, 65, float("nan"), float("inf")])
def test_a_vote_threshold_must_be_a_fraction(threshold):
    with pytest.raises(
        GalaxyError, match=f"threshold {threshold} is not a vote fraction: it must be above 0"
    ):
        read_rules("gz2_three", {"threshold": threshold})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gz1_treshold", r"unknown label rules.*did you mean gz1_threshold\?.*kaggle_three"),
        ("missing.yaml", "label rules missing.yaml: no such file"),
        ("../missing", "label rules ../missing: no such file"),
        ("/", "not a file"),
        ("a\0b", r"unknown label rules 'a\\x00b'"),
        ("a" * 5000, "not a valid file name"),
        ("", "label rules .: not a file"),
    ],
)
def test_unknown_rules(name, message):
    with pytest.raises(GalaxyError, match=message):
        read_rules(name)


WORDS = st.sampled_from([*_KEYS, *_RULE_KEYS, *_VOTE_KEYS, *"abcxy1", "no"])
TEXTS = st.one_of(
    WORDS,
    st.sampled_from([">= 0.5", "< t", "== a", "in a, b", "x * y", "x + y", "!= 1"]),
    st.text(max_size=8),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.floats(), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)
CONDITIONS = st.dictionaries(TEXTS, st.one_of(TEXTS, st.lists(TEXTS, max_size=2), VALUES), max_size=2)
RULE = st.fixed_dictionaries({}, optional={"label": TEXTS, "exclude": TEXTS, "where": CONDITIONS})
NEARLY = st.fixed_dictionaries(
    {"rules": st.lists(st.one_of(RULE, VALUES), max_size=4)},
    optional={
        "classes": st.dictionaries(TEXTS, TEXTS, max_size=3),
        "columns": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "parameters": st.dictionaries(
            st.sampled_from(["t", "u"]), st.one_of(st.floats(), VALUES), max_size=2
        ),
        "needs": st.lists(TEXTS, max_size=2),
        "otherwise": TEXTS,
        "votes": st.fixed_dictionaries(
            {"fractions": st.dictionaries(TEXTS, TEXTS, max_size=3)},
            optional={"rest": TEXTS, "count": TEXTS, "threshold": st.one_of(TEXTS, st.floats())},
        ),
    },
)


def read_or_refuse(text):
    path = Path("hostile.yaml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
    try:
        rules = read_rules(str(path))
    except GalaxyError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    json.dumps(rules.to_json(), allow_nan=False)
    path.write_text(yaml.safe_dump(rules.to_json(), sort_keys=False))
    assert read_rules(str(path)).rules == rules.rules


@pytest.fixture
def _in_folder(tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("hostile"))


@pytest.mark.usefixtures("_in_folder")
class TestHostileFiles:
    @settings(max_examples=300, deadline=None)
    @given(st.one_of(NEARLY, VALUES))
    def test_any_yaml_is_rules_or_an_error(self, content):
        read_or_refuse(yaml.safe_dump(content))

    @settings(max_examples=300, deadline=None)
    @given(st.one_of(st.text(), st.text(alphabet="[]{}:,-&*!|>'\"#%@` \n?<=ab01~._x"), st.binary()))
    def test_any_text_is_rules_or_an_error(self, text):
        read_or_refuse(text)

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_a_changed_preset_is_rules_or_an_error(self, data):
        text = (Path(__file__).parents[3] / "configs/labels/gz2_four.yaml").read_text()
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 20)))
        read_or_refuse(text[:start] + data.draw(st.text(max_size=5)) + text[end:])

    def test_a_laughing_billion(self):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
        read_or_refuse("\n".join(lines))
