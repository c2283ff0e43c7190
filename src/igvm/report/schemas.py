"""JSON Schemas of what the commands print with --json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.report.dump_model import Dump
from igvm.report.findings import CheckReport
from igvm.report.info_model import Info
from igvm.report.measure_model import MeasureReport
from igvm.report.rules import RuleList
from igvm.spec.fixed import FixedHeaderV1, FixedHeaderV2
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    from igvm.wire.record import Record

SCHEMAS: dict[str, type[msgspec.Struct]] = {
    "info": Info,
    "dump": Dump,
    "check": CheckReport,
    "measure": MeasureReport,
    "rules": RuleList,
}
"""What each command prints."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `igvm NAME --json` prints: info, dump or check."""
    made = msgspec.json.schema(SCHEMAS[name])
    definitions = made["$defs"]
    root = definitions[SCHEMAS[name].__name__]
    # The keys that msgspec fills in on reading are always written.
    root["required"] = list(root["properties"])
    if name == "dump":
        root["properties"]["fixed_header"] = {
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
        **made,
    }


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
