# Written by scripts/public_names.py from the table in __init__.py.

from igvm.report.check_results import CheckReport as CheckReport, checked as checked, unreadable as unreadable
from igvm.report.findings_text import check_text as check_text
from igvm.report.dump_model import Dump as Dump, Entry as Entry
from igvm.report.file_dump_text import dump_text as dump_text
from igvm.report.encoding import encode as encode, encode_dump as encode_dump
from igvm.report.file_dump import DumpOptions as DumpOptions, dump as dump, entries as entries, frame as frame
from igvm.report.file_info import info as info
from igvm.report.header_selection import Selection as Selection
from igvm.report.info_model import Info as Info
from igvm.report.file_info_text import info_text as info_text
from igvm.report.rebuilding import rebuild as rebuild
from igvm.report.schemas import schema as schema
from igvm.report.terminal_text import plain as plain, printable as printable

__all__ = ["CheckReport", "Dump", "DumpOptions", "Entry", "Info", "Selection", "check_text", "checked", "dump", "dump_text", "encode", "encode_dump", "entries", "frame", "info", "info_text", "plain", "printable", "rebuild", "schema", "unreadable"]
