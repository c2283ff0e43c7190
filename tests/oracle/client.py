"""Python client of igvm-oracle, which answers for the reference crate."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import selectors
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Release = Literal["0.4", "0.5"]
Source = bytes | str | os.PathLike[str]
Work = Literal["parse", "serialise", "measure_snp", "measure_tdx", "measure_vbs"]

_HERE = Path(__file__).resolve().parent
_BINARY = _HERE / "target" / "release" / "igvm-oracle"
_PROTOCOL = 2  # as in src/main.rs
_BATCH_SIZE = 16 << 20  # bytes of files in one request of parse_many


class OracleError(Exception):
    """A request that igvm-oracle cannot make sense of, such as one for a missing file."""


class OracleUnavailable(OracleError):  # noqa: N818 -- it is a state, for which tests are skipped
    """There is no igvm-oracle to ask; the message tells why in one line."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the crate made of a file."""

    kind: Literal["ok", "error", "panic", "abort", "timeout"]
    """`abort` when the process died over the file, `timeout` when it had to be killed."""
    stage: str = ""
    """The call that failed: parse, serialise, merge or measure; for `time` the work."""
    error: str = ""
    """Variant names of the error and its sources: InvalidBinaryDirectiveHeader/InvalidVtl."""
    text: str = ""
    """Texts of the error and its sources, the panic's message, or how the process ended."""
    location: str = ""
    """Where the crate panicked: igvm-0.5.0/src/lib.rs:3399:43."""
    platforms: int = 0
    """Platform headers parsed; this and the next two count only in answers of `parse`."""
    initializations: int = 0
    directives: int = 0

    @property
    def ok(self) -> bool:
        """Whether the crate accepted the file."""
        return self.kind == "ok"


@dataclass(frozen=True, slots=True)
class Dump:
    """A parsed file: each header a dictionary of its `variant` and its fields."""

    verdict: Verdict
    revision: dict[str, Any]
    platforms: tuple[dict[str, Any], ...]
    initializations: tuple[dict[str, Any], ...]
    directives: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Serialised:
    """A file as the crate writes it."""

    verdict: Verdict
    length: int
    sha256: str
    data: bytes
    """Empty unless asked for."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The launch digest of one platform of a file."""

    platform: str
    compatibility_mask: int
    verdict: Verdict
    digest: bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """Launch digests of the platforms that the crate measures, in the order of the file."""

    verdict: Verdict
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True)
class Timed:
    """Wall seconds of each repetition, taken inside the process."""

    verdict: Verdict
    seconds: tuple[float, ...]


class Oracle:
    """A running igvm-oracle, started anew whenever a file kills it.

    It answers one request at a time: give each thread its own.

    Args:
        binary: the program, by default the one that `build` makes.
        timeout: seconds after which a request is given up and the process killed.
    """

    def __init__(self, binary: Path | None = None, *, timeout: float = 60.0) -> None:
        program = binary or self.find()
        if program is None:
            raise OracleUnavailable("igvm-oracle is not built: run Oracle.build()")
        self._binary = program
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._identifiers = itertools.count()

    @staticmethod
    def find() -> Path | None:
        """The program, if it has been built."""
        return _BINARY if _BINARY.is_file() else None

    @staticmethod
    def build() -> Path:
        """Builds the program with cargo, or brings it up to date.

        Raises:
            OracleUnavailable: cargo is absent, or the build failed.
        """
        command = ["cargo", "build", "--release", "--quiet"]
        command += ["--manifest-path", str(_HERE / "Cargo.toml")]
        command += ["--target-dir", str(_HERE / "target")]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        except FileNotFoundError:
            raise OracleUnavailable("cargo is not installed") from None
        if done.returncode != 0 or not _BINARY.is_file():
            lines = done.stderr.splitlines()
            errors = [line for line in lines if line.startswith("error")]
            reason = next(iter(errors or lines), f"status {done.returncode}")
            raise OracleUnavailable(f"cargo build failed: {reason}")
        return _BINARY

    def __enter__(self) -> Self:
        version = self._ask(op="version")
        if version.get("protocol") != _PROTOCOL:
            self.close()
            raise OracleUnavailable(f"{self._binary} is of another version: run Oracle.build()")
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._end(self._process)

    def parse(
        self, source: Source, *, release: Release = "0.5", platform: str | None = None
    ) -> Verdict:
        """Verdict on a file, with the crate's isolation filter set to `platform` if given."""
        request = _file(source) | _filter(platform)
        return _verdict(self._ask(op="parse", release=release, **request))

    def parse_many(
        self, files: Sequence[bytes], *, release: Release = "0.5", platform: str | None = None
    ) -> list[Verdict]:
        """Verdicts on many files, in few round trips."""
        verdicts: list[Verdict] = []
        for batch in _batches(files):
            texts = [_base64(data) for data in batch]
            answer = self._ask(op="parse_many", release=release, files=texts, **_filter(platform))
            if "results" in answer:
                verdicts += map(_verdict, answer["results"])
            elif len(batch) == 1:
                verdicts.append(_verdict(answer))
            else:
                # One of them killed the process: find out which.
                verdicts += [self.parse(data, release=release, platform=platform) for data in batch]
        return verdicts

    def dump(
        self, source: Source, *, release: Release = "0.5", platform: str | None = None
    ) -> Dump:
        """Everything the crate reads from a file."""
        request = _file(source) | _filter(platform)
        answer = self._ask(op="dump", release=release, **request)
        # In this answer the names of the counts are those of the headers themselves.
        platforms = tuple(answer.pop("platforms", ()))
        initializations = tuple(answer.pop("initializations", ()))
        directives = tuple(answer.pop("directives", ()))
        revision = answer.pop("revision", {})
        return Dump(_verdict(answer), revision, platforms, initializations, directives)

    def serialise(
        self,
        source: Source,
        *,
        release: Release = "0.5",
        out: str | os.PathLike[str] | None = None,
        with_data: bool = False,
    ) -> Serialised:
        """The file as the crate writes what it has read, optionally into the file `out`."""
        request = _file(source) | _output(out, with_data=with_data)
        return _serialised(self._ask(op="serialise", release=release, **request))

    def merge(
        self,
        source: Source,
        other: Source,
        *,
        simple: bool = False,
        release: Release = "0.5",
        out: str | os.PathLike[str] | None = None,
        with_data: bool = False,
    ) -> Serialised:
        """The crate's merge of `other` into `source`; `simple` keeps equal directives apart."""
        request = _file(source) | _file(other, "2") | _output(out, with_data=with_data)
        return _serialised(self._ask(op="merge", release=release, simple=simple, **request))

    def measure(self, source: Source) -> Measured:
        """Launch digests for SNP, TDX and VBS, by release 0.5; earlier ones measure nothing."""
        answer = self._ask(op="measure", **_file(source))
        measurements = [
            Measurement(
                platform=entry["platform"],
                compatibility_mask=entry["compatibility_mask"],
                verdict=_verdict(entry),
                digest=bytes.fromhex(entry.get("digest", "")),
            )
            for entry in answer.get("measurements", ())
        ]
        return Measured(_verdict(answer), tuple(measurements))

    def realm(
        self,
        algorithm: Literal["sha256", "sha512"],
        parameters: Mapping[str, int],
        operations: Sequence[Mapping[str, Any]],
    ) -> tuple[bytes, ...]:
        """RIMs of an Arm CCA Realm for RMM 1.0, from the crate cca-rmm: at first and after each.

        Args:
            algorithm: the Realm's hash.
            parameters: fields of RmiRealmParams by their names; sve_vl or pmu_num_ctrs sets its
                flag.
            operations: each an `op`: `ripas` with `base` and `top` of one RTT entry, `data` with
                `ipa` and, if it is measured, `content` in base64, `rec` with `pc` and `gprs`.
        """
        realm = {"algorithm": algorithm, **parameters, "operations": list(operations)}
        answer = self._ask(op="realm", realm=realm)
        if "rims" not in answer:
            raise OracleError(answer["text"])
        return tuple(map(bytes.fromhex, answer["rims"]))

    def time(
        self, source: Source, work: Sequence[Work], *, repeat: int = 1, release: Release = "0.5"
    ) -> dict[Work, Timed]:
        """How long the crate takes for each piece of work on a file that is in memory."""
        request = _file(source)
        request |= {"work": list(work), "repeat": repeat}
        answer = self._ask(op="time", release=release, **request)
        entries = answer.get("times") or dict.fromkeys(work, answer)
        return {
            name: Timed(_verdict(entries[name]), tuple(entries[name].get("seconds", ())))
            for name in work
        }

    def _ask(self, **request: Any) -> dict[str, Any]:
        identifier = next(self._identifiers)
        process = self._running()
        line = json.dumps(request | {"id": identifier}).encode() + b"\n"
        try:
            reply = _exchange(process, line, self._timeout)
        except TimeoutError:
            process.kill()
            self._end(process)
            return {"verdict": "timeout", "text": f"no answer in {self._timeout:g} s"}
        if not reply.endswith(b"\n"):
            self._end(process)
            return {"verdict": "abort", "text": f"igvm-oracle ended with {process.returncode}"}
        answer: dict[str, Any] = json.loads(reply)
        if not answer["ok"]:
            raise OracleError(answer["reason"])
        assert answer["id"] == identifier
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            if self._process.poll() is None:
                return self._process
            self._end(self._process)  # somebody killed it, not the file to come
        try:
            self._process = subprocess.Popen(
                [self._binary],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # where the crate prints headers it does not know
            )
        except OSError as error:
            raise OracleUnavailable(f"{self._binary} does not run: {error}") from None
        return self._process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        with contextlib.suppress(OSError):  # what it has not read is lost
            _pipe(process.stdin).close()
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _pipe(process.stdout).close()


def _exchange(process: subprocess.Popen[bytes], line: bytes, timeout: float) -> bytes:
    """Sends one line and receives one, or less if the process ends before.

    The process reads a request to its end before it answers, so neither waits for the other.
    """
    with contextlib.suppress(BrokenPipeError):  # the end of its output will tell
        _pipe(process.stdin).write(line)
        _pipe(process.stdin).flush()
    deadline = time.monotonic() + timeout
    chunks: list[bytes] = []
    output = _pipe(process.stdout).fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while not (chunks and chunks[-1].endswith(b"\n")):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            chunk = os.read(output, 1 << 20)
            if not chunk:
                break
            chunks.append(chunk)
    return b"".join(chunks)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # both were asked for
    return pipe


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _file(source: Source, suffix: str = "") -> dict[str, Any]:
    if isinstance(source, bytes):
        return {f"data{suffix}": _base64(source)}
    return {f"path{suffix}": str(Path(source).absolute())}


def _filter(platform: str | None) -> dict[str, Any]:
    return {} if platform is None else {"filter": platform}


def _output(out: str | os.PathLike[str] | None, *, with_data: bool) -> dict[str, Any]:
    return {"bytes": with_data} | ({} if out is None else {"out": str(Path(out).absolute())})


def _batches(files: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for data in files:
        if batch and size + len(data) > _BATCH_SIZE:
            yield batch
            batch, size = [], 0
        batch.append(data)
        size += len(data)
    if batch:
        yield batch


def _verdict(answer: dict[str, Any]) -> Verdict:
    return Verdict(
        kind=answer["verdict"],
        stage=answer.get("stage", ""),
        error=answer.get("error", ""),
        text=answer.get("text", "") or answer.get("panic", ""),
        location=answer.get("location", ""),
        platforms=answer.get("platforms", 0),
        initializations=answer.get("initializations", 0),
        directives=answer.get("directives", 0),
    )


def _serialised(answer: dict[str, Any]) -> Serialised:
    return Serialised(
        verdict=_verdict(answer),
        length=answer.get("length", 0),
        sha256=answer.get("sha256", ""),
        data=base64.b64decode(answer.get("bytes", "")),
    )
