"""What --json prints, and the schemas that promise it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest

import igvm
from igvm import report
from igvm.report.encoding import json_value
from igvm.report.rule_list import rule_list
from igvm.report.schemas import NAMES, json_type
from igvm.wire.openenum import OpenEnum
from tests.report.printed import every_header
from tests.small_files import raw
from tests.small_files.samples import EVERY_HEADER, runs_of_pages, versioned

if TYPE_CHECKING:
    from pathlib import Path

jsonschema = pytest.importorskip("jsonschema")

FILES = pytest.mark.parametrize(
    "data", [*EVERY_HEADER.values(), runs_of_pages()], ids=[*EVERY_HEADER.keys(), "pages"]
)


def validate(name: str, model: Any) -> Any:
    """The decoded JSON of `model`, which must be what the schema says."""
    schema = report.schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    value = json.loads(report.encode(model))
    jsonschema.Draft202012Validator(schema).validate(value)
    assert f"igvm.{name}/1" == value["schema"]
    return value


@FILES
def test_info_follows_its_schema(data: bytes) -> None:
    """The summary is what its schema says."""
    assert validate("info", report.info(igvm.parse(data)))


@FILES
def test_dump_follows_its_schema(data: bytes) -> None:
    """The dump is what its schema says, with hex and data too."""
    options = report.DumpOptions(raw=True, data=16)
    assert validate("dump", report.dump(igvm.parse(data)))
    assert validate("dump", report.dump(igvm.parse(data), options))


@FILES
def test_check_follows_its_schema(data: bytes) -> None:
    """Findings are what their schema says."""
    rules = ("spec", "igvm-0.5", "igvm-0.4")
    error = igvm.FormatError("no", offset=1, header="FIXED_HEADER")
    files = [report.checked(igvm.parse(data), rules), report.unreadable(error, b"no", rules)]
    assert validate("check", report.CheckReport(files=files))


def test_rules_follow_their_schema() -> None:
    """The rules are what their schema says."""
    assert validate("rules", rule_list())


def test_the_corpus_follows_the_schemas(corpus_file: Path) -> None:
    """Real files, and those with a fault, give what the schemas say."""
    try:
        file = igvm.parse(corpus_file.read_bytes())
    except igvm.FormatError:
        return
    assert validate("info", report.info(file))
    assert validate("dump", report.dump(file))


def test_a_changed_dump_breaks_the_schema() -> None:
    """The schema knows the fields of each header."""
    schema = report.schema("dump")
    value = json.loads(report.encode(report.dump(every_header())))
    value["headers"][0]["fields"]["highest_vtl"] = 256
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize("pretty", [False, True])
@pytest.mark.parametrize("data", [*EVERY_HEADER.values(), runs_of_pages(), raw.file()])
def test_streamed_and_whole_are_equal(data: bytes, *, pretty: bool) -> None:
    """A dump that is written piece by piece is the same JSON."""
    file, options = igvm.parse(data), report.DumpOptions(join=False)
    frame = report.frame(file, options, [])
    pieces = report.encode_dump(frame, report.entries(file, options), pretty=pretty)
    assert report.encode(report.dump(file, options), pretty=pretty) == b"".join(pieces)


def test_streaming_in_batches() -> None:
    """More entries than a batch holds are one list."""
    heads = raw.platform(2) + raw.parameter(0x308, 1) * 5000
    file, options = igvm.parse(raw.file(heads)), report.DumpOptions()
    pieces = b"".join(report.encode_dump(report.frame(file, options, []), report.entries(file)))
    assert report.encode(report.dump(file)) == pieces


class Colour(OpenEnum):
    """Something with names."""

    RED = 1


class Inner(msgspec.Struct, frozen=True, omit_defaults=True):
    """A struct that leaves out what is as usual."""

    flags: igvm.PageDataFlags = igvm.PageDataFlags(0)
    note: str = ""
    more: list[int] = []


class Outer(msgspec.Struct, frozen=True):
    """A struct with everything that the rule is about."""

    schema: Literal["igvm.outer/1"]
    colour: Colour
    other: Colour | None
    digest: bytes
    numbers: frozenset[int]
    by_colour: dict[Colour, tuple[bytes, ...]]
    inner: list[Inner]


OUTER = Outer(
    "igvm.outer/1",
    Colour.RED,
    Colour(9),
    b"\xab\x01",
    frozenset({3, 1, 2}),
    {Colour.RED: (b"", b"\xff")},
    [Inner(), Inner(igvm.PageDataFlags(0x82), "x", [1])],
)


def test_the_rule_of_json() -> None:
    """Enums are names, flags lists of names, bytes hex, sets sorted; structs say what they say."""
    assert {
        "schema": "igvm.outer/1",
        "colour": "RED",
        "other": "UNKNOWN_0x9",
        "digest": "ab01",
        "numbers": [1, 2, 3],
        "by_colour": {"RED": ["", "ff"]},
        "inner": [{}, {"flags": ["UNMEASURED", "0x80"], "note": "x", "more": [1]}],
    } == json.loads(report.encode(OUTER))


def test_the_rule_of_schemas() -> None:
    """The schema of a struct is of what the rule makes of it, and of nothing else."""
    schema = msgspec.json.schema(json_type(Outer))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    value = json.loads(report.encode(OUTER))
    validator.validate(value)
    for wrong in (
        {"colour": 1},
        {"colour": "PINK"},
        {"digest": "AB"},
        {"digest": "abc"},
        {"numbers": ["1"]},
        {"by_colour": {"RED": "ff"}},
        {"inner": [{"flags": 2}]},
    ):
        assert not validator.is_valid(value | wrong)
    assert not validator.is_valid({key: item for key, item in value.items() if key != "other"})


def test_a_struct_without_enums_is_as_msgspec_has_it() -> None:
    """The rule changes nothing else: a dump is the same by the rule and without."""
    whole = report.dump(every_header())
    assert msgspec.json.encode(whole) == msgspec.json.encode(json_value(whole))


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_one(name: str) -> None:
    """Every schema is a JSON Schema, and requires what is always written."""
    schema = report.schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    root = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    assert list(root["properties"]) == root["required"]


def test_pretty_and_short() -> None:
    """Short is one line, pretty is indented, both are the same value."""
    summary = report.info(every_header(), rules=())
    short, pretty = report.encode(summary), report.encode(summary, pretty=True)
    assert b"\n" not in short
    assert pretty.startswith(b'{\n  "schema": "igvm.info/1",\n')
    assert json.loads(short) == json.loads(pretty)


def test_controls_are_escaped_in_json() -> None:
    """No control of C0, DEL or C1 is written as it is."""
    text = "\x1b\x7f\x9b\u009fé"
    encoded = report.encode(report.info(igvm.parse(versioned(text.encode())), rules=()))
    assert text == json.loads(encoded)["version"]
    assert b"\\u001b\\u007f\\u009b\\u009f\xc3\xa9" in encoded
