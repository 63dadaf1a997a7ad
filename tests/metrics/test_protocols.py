from __future__ import annotations

import copy
import tomllib
import types
from importlib.resources import files
from typing import Any, Literal, get_args, get_origin

import pytest

from bfrbench.errors import ConfigError, UnknownName
from bfrbench.metrics import load_protocol, protocol_names
from bfrbench.metrics.explain import protocol_in_words
from bfrbench.metrics.protocol import kind_class, parse_protocol
from bfrbench.plugins import PluginHost

HOST = PluginHost()
SHIPPED = [
    *("basic-v1", "basicsr", "bfrbench-v1", "difface", "gpen-paper", "lite", "pmrf", "pyiqa-default", "small-networks"),
    "vqfr",
]


def written(name: str) -> dict[str, Any]:
    return tomllib.loads((files("bfrbench.metrics") / "protocols" / f"{name}.toml").read_text(encoding="utf-8"))


def parsed(data: dict[str, Any]):
    return parse_protocol(data, where="test", host=HOST)


def other(annotation: Any, value: Any, name: str) -> Any:
    """Another value that the choice allows."""
    if get_origin(annotation) is Literal:
        return next(one for one in get_args(annotation) if one != value)
    if isinstance(annotation, types.UnionType):
        return other(get_args(annotation)[0], value, name)
    if annotation is bool:
        return not value
    if annotation is int:
        return value + 1
    if annotation is float:
        return value / 2 or 0.5
    return {"niqe-npz": "niqe-mat", "niqe-mat": "niqe-npz"}.get(value, f"other-{name}")


def choices() -> list[tuple[str, str, str]]:
    return [
        (protocol, metric, choice)
        for protocol in SHIPPED
        for metric, body in written(protocol)["metrics"].items()
        for choice in (*body["choices"], "failure")
        if (choice, body["choices"].get("reference", {}).get("take")) != ("leave_out", "gt")  # nothing would be left
    ]


def test_every_protocol_of_the_design_is_shipped():
    assert protocol_names() == SHIPPED


@pytest.mark.parametrize(("protocol", "metric", "choice"), choices())
def test_changing_one_choice_changes_the_digest_of_the_protocol_and_of_that_metric_alone(protocol, metric, choice):
    data = written(protocol)
    changed = copy.deepcopy(data)
    body = changed["metrics"][metric]
    if choice == "failure":
        body["failure"]["take"] = 7.5
    else:
        field = kind_class(HOST.metrics()[body["kind"]]).Choices.model_fields[choice]
        body["choices"][choice]["take"] = other(field.annotation, body["choices"][choice]["take"], choice)
    before, after = parsed(data), parsed(changed)
    assert before.digest != after.digest
    differ = [one.name for one, two in zip(before.metrics, after.metrics, strict=True) if one.digest != two.digest]
    assert differ == [metric]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_choice_is_written_down_with_its_reason_and_explained_in_words(name):
    protocol = load_protocol(name, host=HOST)
    text = "\n".join(protocol_in_words(protocol))
    for metric in protocol.metrics:
        fields = type(metric.kind.choices).model_fields
        assert set(metric.because) == {*fields, "failure"}
        for choice, field in fields.items():
            assert field.is_required(), f"{metric.kind.spec.id}.{choice} has a default: a protocol could leave it out"
            assert field.description and field.description in text
            assert metric.because[choice] in text
    assert all(source in text for source in protocol.sources)


def test_prose_is_no_part_of_the_digest():
    data = written("basic-v1")
    data["summary"] = "Other words."
    data["metrics"]["psnr"]["choices"]["colour"]["because"] = "another reason"
    assert parsed(data).digest == load_protocol("basic-v1", host=HOST).digest


def test_the_digest_of_a_networks_weights_is_in_the_protocols_digest(monkeypatch):
    from bfrbench.weights import card

    before = load_protocol("difface", host=HOST)
    digests = {one.name: one.digest for one in before.metrics} | {"whole": before.digest}
    changed = dict(card.shipped_cards())
    changed["alexnet"] = changed["alexnet"].model_copy(update={"sha256": "0" * 64})
    monkeypatch.setattr(card, "shipped_cards", lambda: changed)
    after = load_protocol("difface", host=HOST)
    assert digests["whole"] != after.digest
    assert digests["lpips"] != after.metric("lpips").digest
    assert digests["psnr"] == after.metric("psnr").digest


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data["metrics"]["psnr"]["choices"].pop("crop"), "key 'crop' is missing"),
        (lambda data: data["metrics"]["psnr"]["choices"]["crop"].pop("because"), "because' is missing"),
        (lambda data: data["metrics"]["psnr"]["choices"]["colour"].update(take="bgr"), "Input should be 'rgb'"),
        (lambda data: data["metrics"]["psnr"]["choices"].update(crob={"take": 0, "because": "x"}), "did you mean crop"),
        (lambda data: data["metrics"]["psnr"]["failure"].update(take="skip"), "leave-out"),
        (lambda data: data.pop("sources"), "key 'sources' is missing"),
    ],
)
def test_a_protocol_with_a_fault_says_where_and_what_is_allowed(spoil, message):
    data = written("basic-v1")
    spoil(data)
    with pytest.raises(ConfigError, match=message):
        parsed(data)


def test_a_misspelt_kind_or_protocol_gets_a_suggestion():
    data = written("basic-v1")
    data["metrics"]["psnr"]["kind"] = "pnsr"
    with pytest.raises(UnknownName, match="did you mean psnr"):
        parsed(data)
    with pytest.raises(UnknownName, match="did you mean vqfr"):
        load_protocol("vqrf", host=HOST)
