"""Processors, which a guest sees as a CPU signature, and so does a launch measurement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from igvm.errors import ValidationError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST = "host:"
"""What the name of a real processor begins with, as a guest sees it with `-cpu host`."""


def cpu_signature(family: int, model: int, stepping: int) -> int:
    """CPUID Fn0000_0001 EAX of a processor (AMD publication 25481)."""
    extended = max(0, family - 0xF)
    base = min(family, 0xF)
    return extended << 20 | model >> 4 << 16 | base << 8 | (model & 0xF) << 4 | stepping & 0xF


CPU_SIGNATURES: Mapping[str, int] = {
    "EPYC": cpu_signature(23, 1, 2),
    "EPYC-IBPB": cpu_signature(23, 1, 2),
    "EPYC-Rome": cpu_signature(23, 49, 0),
    "EPYC-Milan": cpu_signature(25, 1, 1),
    "EPYC-Genoa": cpu_signature(25, 17, 0),
    "EPYC-Turin": cpu_signature(26, 0, 0),
}
"""The processor models of QEMU that SEV runs on (target/i386/cpu.c); their versions share them."""


class RealProcessor(NamedTuple):
    """A processor that SEV-SNP runs on, as `-cpu host` shows it to a guest."""

    title: str
    signatures: tuple[int, ...]
    """CPU signatures that it may have, the one of production first."""
    source: str
    """Where family, model and stepping are written."""
    has_production: bool = True
    """Whether it is known which of several signatures those have that are sold."""


_UCODE = "linux-firmware, amd-ucode/README"
_CHECKBOX = "canonical/checkbox, providers/base/bin/cpuid.py"

REAL_PROCESSORS: Mapping[str, RealProcessor] = {
    "milan": RealProcessor(
        "AMD EPYC Milan",
        (cpu_signature(25, 1, 1), cpu_signature(25, 1, 0)),
        f"{_UCODE}; {_CHECKBOX}",
    ),
    "milan-x": RealProcessor(
        "AMD EPYC Milan-X", (cpu_signature(25, 1, 2),), f"{_UCODE}; {_CHECKBOX}"
    ),
    "genoa": RealProcessor(
        "AMD EPYC Genoa",
        (cpu_signature(25, 17, 1), cpu_signature(25, 17, 0)),
        f"{_UCODE}; {_CHECKBOX}; coreboot, soc/amd/genoa_poc",
    ),
    "genoa-x": RealProcessor("AMD EPYC Genoa-X", (cpu_signature(25, 17, 2),), _UCODE),
    "bergamo": RealProcessor(
        "AMD EPYC Bergamo",
        (cpu_signature(25, 160, 2), cpu_signature(25, 160, 1)),
        f"{_UCODE}; {_CHECKBOX}",
    ),
    "siena": RealProcessor(
        "AMD EPYC Siena",
        (cpu_signature(25, 160, 2), cpu_signature(25, 160, 1)),
        f"{_UCODE}; {_CHECKBOX}",
    ),
    "turin": RealProcessor(
        "AMD EPYC Turin",
        (cpu_signature(26, 2, 1), cpu_signature(26, 2, 0)),
        f"{_UCODE}; virtee/sev issue 317 (EPYC 9335)",
    ),
    "turin-dense": RealProcessor(
        "AMD EPYC Turin Dense", (cpu_signature(26, 17, 0),), f"{_UCODE}; {_CHECKBOX}"
    ),
    "sorano": RealProcessor("AMD EPYC Sorano", (cpu_signature(26, 2, 0),), _CHECKBOX),
    "venice": RealProcessor(
        "AMD EPYC Venice",
        tuple(cpu_signature(26, model, stepping) for stepping in (0, 1) for model in range(80, 88)),
        "facebookincubator/dynolog pull 569: models 0x50 to 0x57; no stepping is published",
        has_production=False,
    ),
}
"""Real processors by what follows `host:`; a guess where it is not known which are sold."""

OTHER_SIGNATURES = (0, 0x600)
"""RDX of guests that were told no model, and of those that KVM, EC2 or GCE reset."""


def known_signatures() -> dict[int, int]:
    """Every signature that a search thinks of, with how much less likely it is than the others."""
    known = dict.fromkeys(CPU_SIGNATURES.values(), 1)
    for processor in REAL_PROCESSORS.values():
        for number, signature in enumerate(processor.signatures):
            is_sold = processor.has_production and number == 0
            known.setdefault(signature, 1 if is_sold else 2 if processor.has_production else 8)
    return known | dict.fromkeys(OTHER_SIGNATURES, 2)


def signatures_of(cpu: str | int) -> tuple[int, ...]:
    """The CPU signatures that `cpu` may mean, the likeliest first.

    Args:
        cpu: a QEMU model, with or without a version; `host:` and the name of a real processor;
            or a number.

    Raises:
        ValidationError: there is no such model or processor.
    """
    if isinstance(cpu, int):
        return (cpu,)
    signature = CPU_SIGNATURES.get(re.sub(r"-v\d+$", "", cpu))
    if signature is not None:
        return (signature,)
    if cpu.lower().startswith(HOST):
        return _real(cpu).signatures
    try:
        return (int(cpu, 0),)
    except ValueError:
        models = ", ".join(CPU_SIGNATURES)
        message = f"{cpu!r} is no processor model and no CPU signature"
        hint = (
            f"models: {models}; with -cpu host: {', '.join(host_names())}; or a number such as "
            "0x800f12"
        )
        raise ValidationError(message, hint=hint) from None


def signature_of(cpu: str | int) -> int:
    """The CPU signature that `cpu` names; of a real processor that of production.

    Raises:
        ValidationError: there is no such model or processor, or it is not known which signature
            those have that are sold.
    """
    signatures = signatures_of(cpu)
    if isinstance(cpu, str) and cpu.lower().startswith(HOST) and not _real(cpu).has_production:
        message = f"no stepping of {_real(cpu).title} is published: say which, as a CPU signature"
        raise ValidationError(message, hint=f"such as {signatures[0]:#x}; `find` tries several")
    return signatures[0]


def host_names() -> list[str]:
    """`host:NAME` for every real processor."""
    return [f"{HOST}{name}" for name in REAL_PROCESSORS]


def cpu_name(signature: int) -> str:
    """A model or a real processor that has this CPU signature, or the number."""
    names = (name for name, value in CPU_SIGNATURES.items() if value == signature)
    real = (
        f"{HOST}{name}"
        for name, processor in REAL_PROCESSORS.items()
        if processor.has_production and processor.signatures[0] == signature
    )
    return next(names, None) or next(real, f"{signature:#x}")


def processor_words(signature: int) -> str:
    """Which real processors have this CPU signature; empty where none is known to."""
    titles = [each.title for each in REAL_PROCESSORS.values() if signature in each.signatures]
    if not titles:
        return ""
    family = (signature >> 8 & 0xF) + (signature >> 20 & 0xFF)
    model = signature >> 4 & 0xF | signature >> 12 & 0xF0
    return (
        f"{signature:#x} is {' or '.join(titles)}: family {family}, model {model}, stepping "
        f"{signature & 0xF}"
    )


def _real(cpu: str) -> RealProcessor:
    """The real processor that `cpu`, which begins with `host:`, names.

    Raises:
        ValidationError: there is none of that name; the message names the nearest.
    """
    name = cpu[len(HOST) :].strip().lower().replace("_", "-")
    if name not in REAL_PROCESSORS:
        close = nearest(name, REAL_PROCESSORS)
        hint = close or f"known: {', '.join(REAL_PROCESSORS)}"
        raise ValidationError(f"no processor is called {name!r}", hint=hint)
    return REAL_PROCESSORS[name]
