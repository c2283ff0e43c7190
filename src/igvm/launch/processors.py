"""Processor models, which a guest sees as a CPU signature, and so does a launch measurement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from igvm.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def signature_of(cpu: str | int) -> int:
    """The CPU signature that `cpu` names: a QEMU model, with or without a version, or a number.

    Raises:
        ValidationError: there is no such model.
    """
    if isinstance(cpu, int):
        return cpu
    signature = CPU_SIGNATURES.get(re.sub(r"-v\d+$", "", cpu))
    if signature is not None:
        return signature
    try:
        return int(cpu, 0)
    except ValueError:
        models = ", ".join(CPU_SIGNATURES)
        message = f"{cpu!r} is no processor model and no CPU signature"
        hint = f"models: {models}; or a number such as 0x800f12"
        raise ValidationError(message, hint=hint) from None
