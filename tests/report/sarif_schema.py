"""What SARIF 2.1.0 says of the objects that we write: names, types, what must be there.

Read off the schema of the OASIS standard (sarif-schema-2.1.0.json), and stricter: a property that
is not listed here is refused. With IGVM_SARIF_SCHEMA set to that file, tests ask it too.
"""

from __future__ import annotations

from typing import Any


def closed(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


def several(items: dict[str, Any], *, least: int = 0, unique: bool = False) -> dict[str, Any]:
    """A list."""
    return {"type": "array", "items": items, "minItems": least, "uniqueItems": unique}


TEXT = {"type": "string", "minLength": 1}
NUMBER = {"type": "integer", "minimum": 0}
MESSAGE = closed("text", text=TEXT)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
ARTIFACT = closed("uri", uri={"type": "string", "format": "uri-reference"}, index=NUMBER)
RULE = closed(
    "id",
    id=TEXT,
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed("", level=LEVEL),
)
PLACE = closed("artifactLocation", artifactLocation=ARTIFACT, region=closed("", byteOffset=NUMBER))
LOCATION = closed(
    "physicalLocation",
    physicalLocation=PLACE,
    logicalLocations=several(closed("", fullyQualifiedName=TEXT), unique=True),
)
RESULT = closed(
    "message",
    ruleId=TEXT,
    ruleIndex=NUMBER,
    level=LEVEL,
    message=MESSAGE,
    locations=several(LOCATION),
)
NOTIFICATION = closed("message", level=LEVEL, message=MESSAGE)
INVOCATION = closed(
    "executionSuccessful",
    executionSuccessful={"type": "boolean"},
    exitCode={"type": "integer"},
    toolExecutionNotifications=several(NOTIFICATION),
    toolConfigurationNotifications=several(NOTIFICATION),
)
DRIVER = closed("name", name=TEXT, version=TEXT, rules=several(RULE, unique=True))
RUN = closed(
    "tool",
    tool=closed("driver", driver=DRIVER),
    invocations=several(INVOCATION),
    artifacts=several(closed("", location=ARTIFACT), unique=True),
    results=several(RESULT),
)
SCHEMA: dict[str, Any] = closed(
    "version runs",
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs=several(RUN),
)
