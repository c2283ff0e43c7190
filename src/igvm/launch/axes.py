"""What the hosts of a loader vary, as data: axes, their values, and where each was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from igvm.errors import ValidationError, nearest

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan
    from igvm.spec.enums import PlatformType
else:
    PlatformType = Any  # loaded by those who have some


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One value of an axis: something that a host does otherwise than its loader is read to do."""

    value: str
    """How it is named: `igvm measure --host AXIS=VALUE`."""
    words: str
    """What is then otherwise, as a part of a sentence."""
    seen: str
    """Where it was seen, or who does so."""
    unlikely: int = 2
    """How many times less likely it is than what the loader does, for the order of a search."""
    change: Any = None
    """What it does, as the axis says; on an axis of plans from a LaunchPlan to another."""
    platforms: tuple[PlatformType, ...] = ()
    """The platforms on which it happens; all of the axis's where there are none."""


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that hosts vary; without a choice it is as the loader does it."""

    name: str
    """Kebab-case."""
    about: str
    """What varies, in words."""
    choices: tuple[Choice, ...]

    def choice(self, value: str) -> Choice:
        """The choice called `value`.

        Raises:
            ValidationError: there is none; the message names the nearest.
        """
        for choice in self.choices:
            if choice.value == _folded(value):
                return choice
        hint = nearest(_folded(value), [choice.value for choice in self.choices])
        raise ValidationError(f"{self.name} has no value {value!r}", hint=hint)

    def on(self, platform: PlatformType) -> tuple[Choice, ...]:
        """The choices that there are on `platform`."""
        return tuple(
            choice
            for choice in self.choices
            if not choice.platforms or platform in choice.platforms
        )


Host = Mapping[str, str]
"""Values of axes by their names: what a host does otherwise than its loader."""


def axis_named(axes: Iterable[Axis], name: str) -> Axis:
    """The axis called `name`.

    Raises:
        ValidationError: there is none among `axes`; the message names the nearest.
    """
    known = {axis.name: axis for axis in axes}
    if _folded(name) not in known:
        hint = nearest(_folded(name), known)
        raise ValidationError(f"nothing called {name!r} varies there", hint=hint)
    return known[_folded(name)]


def varied(plan: LaunchPlan, axes: Iterable[Axis], host: Host) -> LaunchPlan:
    """`plan` as a host makes it that does what `host` says, of the axes of plans `axes`.

    Raises:
        ValidationError: an axis has no such value, or not on the platform.
    """
    for axis in axes:
        if axis.name in host:
            choice = axis.choice(host[axis.name])
            if choice not in axis.on(plan.platform):
                message = f"{axis.name} is never {choice.value} on {plan.platform.name}"
                raise ValidationError(message)
            change: Callable[[LaunchPlan], LaunchPlan] = choice.change
            plan = change(plan)
    return plan


def _folded(name: str) -> str:
    return name.strip().lower().replace("_", "-")
