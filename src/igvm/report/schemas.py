"""JSON Schemas of what the commands print with --json, made from the structs that they print."""

from __future__ import annotations

import functools
import importlib
import types
import typing
from collections.abc import Sequence
from enum import Enum, Flag
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from igvm.spec.fixed import FixedHeaderV1, FixedHeaderV2
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    from igvm.wire.record import Record

_HOMES = {
    "info": "info_model.Info",
    "dump": "dump_model.Dump",
    "check": "check_results.CheckReport",
    "rules": "rule_list.RuleList",
    "measure": "measurements.MeasureReport",
    "explain": "traces.ExplainReport",
    "find": "searches.FindReport",
    "diff": "differences.DiffReport",
}
"""What each command prints: module and struct."""

NAMES = tuple(_HOMES)
"""The commands that print JSON."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `igvm NAME --json` prints; NAME is one of NAMES."""
    module, _, struct = _HOMES[name].partition(".")
    model = getattr(importlib.import_module(f"igvm.report.{module}"), struct)
    whole = msgspec.json.schema(json_type(model))
    definitions = whole["$defs"]
    if name == "dump":
        definitions["Dump"]["properties"]["fixed_header"] = {
            "anyOf": [_fields(FixedHeaderV1), _fields(FixedHeaderV2)]
        }
        definitions["Entry"]["allOf"] = [
            {
                "if": {"properties": {"name": {"const": spec.name}}},
                "then": {
                    "properties": {
                        "fields": (
                            _fields(spec.record)
                            if spec.record is not None
                            else {
                                "type": "object",
                                "properties": {"text": {"type": "string"}},
                                "required": ["text"],
                                "additionalProperties": False,
                            }
                        )
                    }
                },
            }
            for spec in HEADERS.values()
        ]
        definitions["Entry"]["oneOf"] = [{"required": ["fields"]}, {"required": ["body"]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:igvm:{name}:1",
        "title": f"igvm.{name}/1",
        **whole,
    }


def json_type(kind: Any) -> Any:
    """The type of what `igvm.report.encode.json_value` makes of values of the type `kind`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return functools.reduce(lambda left, right: left | right, map(json_type, arguments))
    if origin is Annotated:
        return Annotated[json_type(arguments[0]), *arguments[1:]]
    if origin in {list, tuple, set, frozenset, Sequence}:
        return list[json_type(arguments[0])]  # type: ignore[misc]
    if origin is dict:
        return dict[json_type(arguments[0]), json_type(arguments[1])]  # type: ignore[misc]
    if not isinstance(kind, type) or origin is not None:
        return kind
    if issubclass(kind, msgspec.Struct):
        return _json_struct(kind)
    if issubclass(kind, Flag):
        return list[str]
    if issubclass(kind, Enum):
        return _json_enum(kind)
    if issubclass(kind, bytes):
        return Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2})*$")]
    return kind


@functools.cache
def _json_struct(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A struct with the fields of `kind` as they are in JSON; those always written have no default.

    Its name and docstring are those of `kind`, for they are in the schema too.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    is_short = kind.__struct_config__.omit_defaults
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(kind):
        of_field = json_type(hints[field.name])
        if is_short and not field.required:
            default = field.default
            if default is msgspec.NODEFAULT:
                default = msgspec.field(default_factory=field.default_factory)
            fields.append((field.name, of_field, default))
        else:
            fields.append((field.name, of_field))
    return msgspec.defstruct(
        kind.__name__, fields, kw_only=True, namespace={"__doc__": kind.__doc__}
    )


def _json_enum(kind: type[Enum]) -> Any:
    """The names of an enum, and how one of ours calls a value that has none."""
    names = [member.name for member in kind]
    unnamed = {"type": "string", "pattern": "^UNKNOWN_0x[0-9a-f]+$"}
    return Annotated[str, msgspec.Meta(extra_json_schema={"anyOf": [{"enum": names}, unnamed]})]


def _fields(record: type[Record]) -> dict[str, Any]:
    """The schema of the fields of a record."""
    properties: dict[str, Any] = {}
    for item in record.FIELDS:
        if item.kind == "record":
            properties[item.name] = _fields(item.type)
        elif item.kind == "octets":
            count = 2 * item.size
            properties[item.name] = {"type": "string", "pattern": f"^[0-9a-f]{{{count}}}$"}
        else:
            most = (1 << 8 * item.size) - 1
            properties[item.name] = {"type": "integer", "minimum": 0, "maximum": most}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
