"""Dotted overrides such as `train.batch_size=32`, and what to say of a wrong one."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from impasto.errors import ConfigError

UNKNOWN = "unknown setting"


def parse_overrides(overrides: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """`["train.batch_size=32"]` as `{"train.batch_size": 32}`. Raises `ConfigError` where there is no `=`."""
    return dict(overrides) if isinstance(overrides, Mapping) else dict(map(_split_override, overrides))


def _split_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"'{text}' is not an override", "write key.path=value, for example train.batch_size=32"
        )
    try:  # a TOML value if it reads as one (numbers, booleans, lists), else the text itself
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return key.strip(), value.strip()


def set_by_path(tree: dict[str, Any], key: str, value: Any) -> None:
    """Put `value` at `a.b.c` of a tree of dictionaries, in place. Raises `ConfigError`."""
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise ConfigError(f"'{key}' does not exist: '{parent}' is a value, not a group")
    node[leaf] = value


def explain(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """What is wrong with a tree that is no `model`, as an error for users, with the nearest key as a hint."""
    first = error.errors(include_url=False)[0]
    parts, known = _named(model, first["loc"])
    key = ".".join(parts)
    if first["type"] == "extra_forbidden":
        hint = f"it belongs to another {parts[0]}.kind" if key in _all_keys(model) else closest(key, known)
        return ConfigError(f"{UNKNOWN} '{key}'", hint)
    words = first["msg"].removeprefix("Value error, ")
    if not key:
        return ConfigError(words)
    given = repr(first["input"])
    return ConfigError(f"'{key}' = {given if len(given) <= 200 else given[:200] + '...'}: {words}")


def _named(model: type[BaseModel], place: Sequence[int | str]) -> tuple[list[str], list[str]]:
    """Where in a tree an error is, as people write it, and the keys that could be meant.

    Where a group has kinds, pydantic puts the kind into the place, and only its settings can be meant.
    """
    parts: list[str] = []
    known, groups = _all_keys(model), [model]
    for name in map(str, place):
        kind = next((g for g in groups if len(groups) > 1 and g.model_fields["kind"].default == name), None)
        if kind is not None:
            prefix = ".".join(parts) + "."
            known = [key for key in known if not key.startswith(prefix)] + _all_keys(kind, prefix)
            groups = [kind]
            continue
        fields = groups[0].model_fields if len(groups) == 1 else {}
        groups = _groups(fields[name].annotation) if name in fields else []
        parts.append(name)
    return parts, known


def closest(word: str, known: Sequence[str]) -> str:
    """A hint that names the nearest known word, by whole path first and by its last part second."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if not near:
        by_leaf = {k.rsplit(".", 1)[-1]: k for k in known}
        near = [by_leaf[m] for m in difflib.get_close_matches(word.rsplit(".", 1)[-1], list(by_leaf), n=1)]
    return f"did you mean '{near[0]}'?" if near else ""


def _all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        groups = _groups(field.annotation)
        for group in groups:
            keys += _all_keys(group, f"{prefix}{name}.")
        if not groups:
            keys.append(prefix + name)
    return keys


def _groups(annotation: Any) -> list[type[BaseModel]]:
    parts = [annotation, *getattr(annotation, "__args__", ())]
    return [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
