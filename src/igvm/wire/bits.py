"""Bit fields: an integer whose bits have names, and whose other bits survive."""

from __future__ import annotations

from typing import Any, ClassVar, Self, overload

from igvm.errors import MissingAttributeError, ValidationError, nearest


class Bits:
    """`width` bits from bit `low` up, as an integer; the docstring line says what they mean."""

    __slots__ = ("doc", "low", "mask", "must_be", "name", "width")

    def __init__(
        self, low: int, width: int = 1, doc: str = "", *, must_be: int | None = None
    ) -> None:
        self.low = low
        self.width = width
        self.doc = doc
        self.must_be = must_be
        self.mask = ((1 << width) - 1) << low
        self.name = ""

    def __set_name__(self, owner: type[BitField], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: int, owner: type[Any]) -> int: ...
    def __get__(self, instance: int | None, owner: type[Any]) -> Self | int:
        if instance is None:
            return self
        return (int(instance) & self.mask) >> self.low


class BitField(int):
    """An integer with named bits.

    `SNPPolicy(0x30000).smt` reads a field, `SNPPolicy.of(smt=1)` and `.replace(debug=1)` make
    new values. Bits without a name are kept and shown by `unknown`.
    """

    FIELDS: ClassVar[tuple[Bits, ...]] = ()
    WIDTH: ClassVar[int] = 64
    """Bits of the integer."""

    def __new__(cls, value: int = 0) -> Self:
        """The value itself, if it fits `WIDTH` bits.

        Raises:
            ValueError: it does not.
        """
        if not 0 <= value < 1 << cls.WIDTH:
            message = f"{value:#x} does not fit {cls.WIDTH} bits"
            raise ValueError(message)
        return super().__new__(cls, value)

    def __init_subclass__(cls) -> None:
        cls.FIELDS = tuple(value for value in vars(cls).values() if isinstance(value, Bits))

    @classmethod
    def of(cls, **values: int) -> Self:
        """The value with `values` set, required ones included, and all other bits zero."""
        start = sum(bits.must_be << bits.low for bits in cls.FIELDS if bits.must_be)
        return cls(start).replace(**values)

    def replace(self, **values: int) -> Self:
        """This value with the named fields changed.

        Raises:
            ValidationError: a value does not fit its bits.
            MissingAttributeError: there is no such field; the hint names the nearest.
        """
        result = int(self)
        for name, value in values.items():
            bits = next((bits for bits in self.FIELDS if bits.name == name), None)
            if bits is None:
                message = f"{type(self).__name__} has no field {name}"
                hint = nearest(name, [bits.name for bits in self.FIELDS])
                raise MissingAttributeError(message, hint=hint)
            if not 0 <= value < 1 << bits.width:
                message = f"{name} is {value}, which does not fit {bits.width} bits"
                raise ValidationError(message)
            result = result & ~bits.mask | value << bits.low
        return type(self)(result)

    @property
    def unknown(self) -> int:
        """The bits that have no name, in place."""
        named = 0
        for bits in self.FIELDS:
            named |= bits.mask
        return int(self) & ~named

    def as_dict(self) -> dict[str, int]:
        """Every named field and its value, in bit order."""
        return {bits.name: (int(self) & bits.mask) >> bits.low for bits in self.FIELDS}

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value:#x}" for name, value in self.as_dict().items() if value)
        if self.unknown:
            inside += f"{', ' if inside else ''}unknown={self.unknown:#x}"
        return f"{type(self).__name__}({inside})"
