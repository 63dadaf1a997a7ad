"""Configuration: frozen pydantic models read from TOML, with errors that name file, key and what is allowed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from bfrbench.errors import ConfigError, suggestion


class Frozen(pydantic.BaseModel):
    """A model that cannot change and refuses keys it does not know."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


M = TypeVar("M", bound=Frozen)


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML ({error})", "mend the file at that place") from error


def load(path: Path, model: type[M]) -> M:
    """Read a TOML file as `model`."""
    return parse(read_toml(path), model, where=str(path))


def parse(data: dict[str, Any], model: type[M], *, where: str) -> M:
    """Validate plain data as `model`; `where` names its source in errors."""
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{where}: {_describe(error, model)}", "correct the file") from error


def _describe(error: pydantic.ValidationError, model: type[Frozen]) -> str:
    return "; ".join(_one(item["loc"], item, model) for item in error.errors(include_url=False)[:5])


def _one(loc: tuple[int | str, ...], item: Any, model: type[Frozen]) -> str:
    key = ".".join(str(part) for part in loc) or "(top level)"
    if item["type"] == "extra_forbidden":
        fields = _fields_at(model, loc[:-1])
        return f"unknown key {key!r} ({suggestion(str(loc[-1]), fields)})"
    if item["type"] == "missing":
        return f"key {key!r} is missing"
    return f"key {key!r}: {item['msg']} (got {item['input']!r:.80})"


def _fields_at(model: type[Frozen], loc: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at a place inside nested models, as far as the place can be followed."""
    current: Any = model
    for part in loc:
        if isinstance(part, str) and part in getattr(current, "model_fields", {}):
            current = _inner_model(current.model_fields[part].annotation)
        elif isinstance(part, int) or not hasattr(current, "model_fields"):
            continue
    return list(getattr(current, "model_fields", {}))


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (found := _inner_model(argument)) is not None:
            return found
    return None
