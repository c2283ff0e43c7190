"""Plans and what goes into them, of the wrong kind: told in words at once."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING

from igvm.errors import ValidationError
from igvm.file.view import IgvmFile
from igvm.launch.plan import LaunchPlan

if TYPE_CHECKING:
    from igvm.launch.request import PlanRequest


def require_plan(plan: object) -> LaunchPlan:
    """`plan`, if it is one.

    Raises:
        ValidationError: it is a file or something else; the hint says how to make a plan.
    """
    if isinstance(plan, LaunchPlan):
        return plan
    hint = "igvm.plan(file, platform) makes one" if isinstance(plan, IgvmFile) else None
    raise ValidationError(f"a plan is needed, not {type(plan).__name__}", hint=hint)


def require_plans(plans: object) -> None:
    """Refuse one plan where several are needed.

    Raises:
        ValidationError: it is one.
    """
    if isinstance(plans, LaunchPlan):
        raise ValidationError("plans are needed, not one", hint="igvm.measure_plan takes one")


def require_request(request: PlanRequest) -> PlanRequest:
    """`request`, if what was asked for is of the right kinds.

    Raises:
        ValidationError: it is not; the message names the argument.
    """
    given: dict[str, tuple[object, tuple[type, ...], str]] = {
        "vcpus": (request.vcpus, (Integral,), "a number"),
        "cpu": (request.cpu, (str, Integral), "a model such as 'EPYC-Milan' or a CPU signature"),
        "sev_features": (request.sev_features, (Integral,), "a number such as 0x21"),
        "host": (request.host, (Mapping,), "values by the names of axes, such as {'fpu': 'none'}"),
    }
    for name, (value, kinds, words) in given.items():
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            message = f"{name} is {words}, not {value!r:.40} ({type(value).__name__})"
            raise ValidationError(message)
    return request
