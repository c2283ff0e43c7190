"""Writes the pages of the format's structures: their bytes, drawn and in words.

The pages are made from the declarations whenever the documentation is built, by `conf.py`, or by
`python docs/generate_structures.py [FOLDER]`; they are not kept.
"""

from __future__ import annotations

import ast
import functools
import html
import inspect
import re
import sys
import textwrap
from enum import Enum, Flag
from pathlib import Path
from typing import TYPE_CHECKING, Any

import igvm
from igvm.spec.registry import HEADERS
from igvm.wire.bits import BitField
from igvm.wire.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.spec.registry import HeaderSpec, Size
    from igvm.wire.record import Field

FOLDER = Path(__file__).resolve().parent / "structures"

# Each page: its title, what it says first, and the modules whose public names it has.
PAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "headers": (
        "Headers",
        (
            "What a file starts with, and the structure of every variable header in the order of "
            "the\nsections. Each is a class of the package with [a record's methods]"
            "(../api/structures.md);\nthe numbers are little-endian."
        ),
        ("fixed", "platform", "initialization", "directive"),
    ),
    "registers": (
        "Contexts and registers",
        (
            "What a `VP_CONTEXT` refers to: the first registers of a virtual processor, in the "
            "format\nof each platform."
        ),
        ("context", "vmsa"),
    ),
    "payloads": (
        "Payloads, keys and pages",
        (
            "What loaders write into parameter areas, and the structures of AMD SEV-SNP that "
            "headers\nand pages hold."
        ),
        ("payload", "snp_structures"),
    ),
    "enums": (
        "Enums, flags and policies",
        (
            "The names of numbers. A value without a name survives: enums call it `UNKNOWN_0x9`, "
            "flags\nand policies keep its bits."
        ),
        ("enums", "policy", "hyperv"),
    ),
}

_ROW = 8
"""Bytes in a row of a drawing."""

_MOST_ROWS = 32
"""Rows of a table or a drawing that are not folded away."""


def public_names(module: str) -> list[str]:
    """The public names of `igvm.spec.MODULE` that are drawn here, in the order of the source."""
    listed = vars(igvm)["_PUBLIC"].get(f"spec.{module}", ())
    found = [name for name in listed if _is_drawn(getattr(igvm, name))]
    return sorted(found, key=lambda name: inspect.getsourcelines(getattr(igvm, name))[1])


def _is_drawn(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, (Record, Enum, BitField))


def page(name: str) -> str:
    """The text of one page."""
    title, words, modules = PAGES[name]
    parts = [f"# {title}\n\n{words}\n"]
    parts += [part(each) for module in modules for each in public_names(module)]
    return "\n".join(parts)


def part(name: str) -> str:
    """What is said of one class."""
    cls = getattr(igvm, name)
    if issubclass(cls, Record):
        body = "".join(_record(cls))
    elif issubclass(cls, BitField):
        body = "".join(_bits(cls))
    else:
        body = "".join(_enum(cls))
    # The fence is longer than any inside.
    return f"## {name}\n\n``````{{py:class}} igvm.{name}\n{_prose(cls.__doc__)}\n\n{body}``````\n"


def _record(cls: type[Record]) -> Iterator[str]:
    """Facts, drawing and fields of a structure."""
    spec = next((spec for spec in HEADERS.values() if spec.record is cls), None)
    if spec is not None:
        yield from _header_facts(spec)
    yield f":Size: {cls.SIZE:,} bytes\n\n"
    base = cls.__mro__[1]
    if base is not Record:
        yield f"The fields are those of {{py:class}}`igvm.{base.__name__}`.\n\n"
        return
    rows = list(drawn_rows(cls))
    yield _folded("The bytes", len(rows), _drawing(cls, rows))
    docs = field_docs(cls)
    lines = [
        f"| {item.offset:#04x} | {item.size} | `{item.name}`{_type(item)}"
        f"<br>{_prose(docs[item.name])} |\n"
        for item in cls.FIELDS
    ]
    yield f"| offset | size | field |\n| --: | --: | --- |\n{''.join(lines)}\n"
    needed = [f"`{item.name}`" for item in cls.FIELDS if item.default is ...]
    if needed:
        yield f"Must be given: {', '.join(needed)}. The others have defaults.\n"


def _header_facts(spec: HeaderSpec) -> Iterator[str]:
    """Type, section, data and memory of a header."""
    yield (
        f":Header: `{spec.name}`, {int(spec.header_type):#x}, "
        f"in the {spec.section.name.lower()} section\n"
    )
    if spec.data is not None:
        empty = {
            "none": "; zero for none",
            "stored": "; may be of no bytes",
            "refused": "; there must be some",
        }[spec.data.empty]
        yield f":Data in the file: {_extent(spec.data.size)} at `{spec.data.offset}`{empty}\n"
    if spec.memory is not None:
        yield f":Guest memory: {_extent(spec.memory.size)} at `{spec.memory.address}`\n"
    if spec.area is not None:
        act = {"declare": "declared", "fill": "filled", "insert": "inserted"}[spec.area.act]
        yield f":Parameter area: {act}, by `{spec.area.index}`\n"


def _extent(size: Size) -> str:
    """How much a header is about, in words."""
    return {
        "field": f"`{size.field}` bytes",
        "page": "a page (2 MiB with IS_2MB_PAGE)",
        "area": "the area's bytes",
        "context": "a context of the platform",
    }[size.rule]


def drawn_rows(cls: type[Record]) -> Iterator[tuple[int, list[tuple[Field, int, int]]]]:
    """Rows of a drawing: where each starts, and the fields in it with their part's place and size.

    Whole rows of one field are one row, so that a long field takes no more than three.
    """
    row: list[tuple[Field, int, int]] = []
    for item in cls.FIELDS:
        at, end = item.offset, item.offset + item.size
        while at < end:
            size = min(end - at, _ROW - at % _ROW)
            if size == _ROW:
                size = (end - at) // _ROW * _ROW
            row.append((item, at, size))
            at += size
            if at % _ROW == 0:
                yield row[0][1], row
                row = []
    if row:
        yield row[0][1], row


def _drawing(cls: type[Record], rows: list[tuple[int, list[tuple[Field, int, int]]]]) -> str:
    """The bytes of a structure as a table of HTML, eight in a row."""
    heads = "".join(f"<th>{i}</th>" for i in range(_ROW))
    lines = [
        f'<table class="bytes" aria-label="The bytes of {cls.__name__}">',
        f"<thead><tr><th></th>{heads}</tr></thead><tbody>",
    ]
    for start, cells in rows:
        lines.append(f"<tr><th>{start:#04x}</th>")
        for item, at, size in cells:
            name = html.escape(item.name).replace("_", "_<wbr>")
            text = name if at == item.offset else f"… {name}"
            if item.size > _ROW and size == item.size:
                text += f" <small>{item.size} bytes</small>"
            kind = ' class="reserved"' if item.is_reserved else ""
            lines.append(f'<td colspan="{min(size, _ROW)}"{kind}>{text}</td>')
        lines.append("</tr>")
    lines.append("</tbody></table>")
    return "```{raw} html\n" + "\n".join(lines) + "\n```\n\n"


def _folded(title: str, rows: int, text: str) -> str:
    """`text`, which a click unfolds where it is long."""
    if rows <= _MOST_ROWS:
        return text
    start = f"```{{raw}} html\n<details><summary>{title}, {rows} rows</summary>\n```\n\n"
    return f"{start}{text}```{{raw}} html\n</details>\n```\n\n"


def _type(item: Field) -> str:
    """The class of a field that has one."""
    if item.type is None:
        return ""
    name = item.type.__name__
    many = f"{item.count} " if item.kind == "array" else ""
    return f" {many}{{py:class}}`~igvm.{name}`" if name in igvm.__all__ else f" {many}{name}"


def _enum(cls: type[Enum]) -> Iterator[str]:
    """Values and names of an enum, or flags."""
    docs = field_docs(cls)
    names = [name for name, each in cls.__members__.items() if each.name == name]
    lines = [
        f"| {int(cls[name].value):#x} "
        f"| `{name}`{'<br>' if docs.get(name) else ''}{_prose(docs.get(name))} |\n"
        for name in names
    ]
    head = "bit" if issubclass(cls, Flag) else "value"
    table = f"| {head} | name |\n| --: | --- |\n{''.join(lines)}\n"
    yield _folded("The names", len(names), table)
    yield from _properties(cls)


def _bits(cls: type[BitField]) -> Iterator[str]:
    """The named bits of an integer."""
    lines = [
        f"| {bits.low if bits.width == 1 else f'{bits.low + bits.width - 1}:{bits.low}'} "
        f"| `{bits.name}`<br>{_prose(bits.doc)} |\n"
        for bits in cls.FIELDS
    ]
    yield f"| bits | name |\n| --: | --- |\n{''.join(lines)}\n"
    yield from _properties(cls)


def _properties(cls: type) -> Iterator[str]:
    """What a class has of its own besides its values."""
    own = {
        name: value
        for name, value in vars(cls).items()
        if not name.startswith("_") and isinstance(value, property)
    }
    yield from (f"- `.{name}`: {_prose(value.__doc__)}\n" for name, value in own.items())


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """The sentences below the fields of a class, or the members of an enum."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(node, ast.ClassDef)
    docs, name = {}, ""
    for line in node.body:
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and name:
            docs[name] = str(line.value.value)
        name = ""
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name = line.target.id
        elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            name = line.targets[0].id
    return docs


# Names of structures as sentences use them; a plain word such as Parameter is none.
_NAME = re.compile(r"(?<![\w`.])[A-Z]+[a-z]*[A-Z]\w+(?![\w`])")


def _prose(text: str | None) -> str:
    """Words of a docstring, with a link for each name of a structure."""

    def link(found: re.Match[str]) -> str:
        name = found[0]
        if name not in igvm.__all__ or not _is_drawn(getattr(igvm, name)):
            return name
        return f"{{py:class}}`~igvm.{name}`"

    joined = re.sub(r"(?<!\n)\n(?!\n)\s*", " ", inspect.cleandoc(text or ""))
    return _NAME.sub(link, joined).replace("*", r"\*").replace("|", r"\|")


def index() -> str:
    """The page that leads to the others."""
    rows = "".join(f"- [{title}]({name}.md)\n" for name, (title, _, _) in PAGES.items())
    hidden = "".join(f"{name}\n" for name in PAGES)
    return (
        "# Structures\n\nEverything that the format declares, byte by byte, made from the\n"
        "declarations that igvm reads and writes with.\n\n"
        f"{rows}\n```{{toctree}}\n:hidden:\n\n{hidden}```\n"
    )


def generate(folder: Path = FOLDER) -> list[Path]:
    """Write every page into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{name}.md": page(name) for name in PAGES} | {"index.md": index()}
    for name, text in pages.items():
        path = folder / name
        # A page that is the same keeps its date, and sphinx does not build it again.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return [folder / name for name in pages]


if __name__ == "__main__":
    generate(*map(Path, sys.argv[1:2]))
