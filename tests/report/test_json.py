"""What --json prints, and the schemas that promise it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import igvm
from igvm import report
from igvm.report.rules import rule_list
from tests import raw
from tests.hostile.samples import SMALL
from tests.report.files import pages, sample, version

if TYPE_CHECKING:
    from pathlib import Path

jsonschema = pytest.importorskip("jsonschema")

FILES = pytest.mark.parametrize("data", [*SMALL.values(), pages()], ids=[*SMALL.keys(), "pages"])


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
    value = json.loads(report.encode(report.dump(sample())))
    value["headers"][0]["fields"]["highest_vtl"] = 256
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize("pretty", [False, True])
@pytest.mark.parametrize("data", [*SMALL.values(), pages(), raw.Raw(b"").file()])
def test_streamed_and_whole_are_equal(data: bytes, *, pretty: bool) -> None:
    """A dump that is written piece by piece is the same JSON."""
    file, options = igvm.parse(data), report.DumpOptions(join=False)
    frame = report.frame(file, options, [])
    pieces = report.encode_dump(frame, report.entries(file, options), pretty=pretty)
    assert report.encode(report.dump(file, options), pretty=pretty) == b"".join(pieces)


def test_streaming_in_batches() -> None:
    """More entries than a batch holds are one list."""
    heads = raw.platform(2) + raw.parameter(0x308, 1) * 5000
    file, options = igvm.parse(raw.Raw(heads).file()), report.DumpOptions()
    pieces = b"".join(report.encode_dump(report.frame(file, options, []), report.entries(file)))
    assert report.encode(report.dump(file)) == pieces


def test_pretty_and_short() -> None:
    """Short is one line, pretty is indented, both are the same value."""
    summary = report.info(sample(), rules=())
    short, pretty = report.encode(summary), report.encode(summary, pretty=True)
    assert b"\n" not in short
    assert pretty.startswith(b'{\n  "schema": "igvm.info/1",\n')
    assert json.loads(short) == json.loads(pretty)


def test_controls_are_escaped_in_json() -> None:
    """No control of C0, DEL or C1 is written as it is."""
    text = "\x1b\x7f\x9b\u009fé"
    encoded = report.encode(report.info(igvm.parse(version(text.encode())), rules=()))
    assert text == json.loads(encoded)["version"]
    assert b"\\u001b\\u007f\\u009b\\u009f\xc3\xa9" in encoded
