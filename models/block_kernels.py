"""Sixty-four bytes of a text at a time, for compiled loops: what they are, as bits, and copies of them.

Written in the vectors of LLVM, which become those of whatever CPU there is: numba makes vectors of loops that add and
copy, but puts bits of comparisons together one by one. Each reads or writes a whole block, or word, from the place it
is given: the caller sees to it that there are so many bytes. Places are uint64.
"""

from typing import Any

from llvmlite import ir
from numba import extending, types

intrinsic: Any = extending.intrinsic

BLOCK = 64
_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_VECTOR = ir.VectorType(_BYTE, BLOCK)
_BITS = types.UniTuple(types.uint64, 3)


def _all(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * BLOCK)


def _between(builder: Any, block: Any, low: int, high: int) -> Any:
    """Which bytes lie from one value to another, both included."""
    return builder.icmp_unsigned("<=", builder.sub(block, _all(low)), _all(high - low))


def _spaces(builder: Any, block: Any) -> Any:
    """Which bytes are white space of ASCII, as `str.isspace` has it."""
    return builder.or_(_between(builder, block, 0x09, 0x0D), _between(builder, block, 0x1C, 0x20))


def _pointer(context: Any, builder: Any, kind: Any, array: Any, place: Any, to: ir.Type) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), to.as_pointer())


def _block(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    return builder.load(_pointer(context, builder, kind, array, place, _VECTOR), align=1)


def _bits(builder: Any, compared: Any) -> Any:
    """Bit i: whether it holds of byte i."""
    return builder.bitcast(compared, _WORD)


@intrinsic
def classify(typing: Any, text: Any, place: Any) -> Any:
    """What each byte of a block is: bits of those outside ASCII, of white space, and of letters, digits and `_`."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        block = _block(context, builder, signature.args[0], *given)
        wide = builder.icmp_signed("<", block, _all(0))
        letters = _between(builder, builder.or_(block, _all(0x20)), ord("a"), ord("z"))
        others = builder.or_(_between(builder, block, ord("0"), ord("9")), builder.icmp_signed("==", block, _all(0x5F)))
        found = (wide, _spaces(builder, block), builder.or_(letters, others))
        return context.make_tuple(builder, _BITS, [_bits(builder, one) for one in found])

    return _BITS(text, place), generate


@intrinsic
def copy_spaced(typing: Any, target: Any, at: Any, text: Any, place: Any) -> Any:
    """Copy a block to a place of `target`, with a blank for each white space of ASCII."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        block = _block(context, builder, signature.args[2], given[2], given[3])
        made = builder.select(_spaces(builder, block), _all(0x20), block)
        builder.store(made, _pointer(context, builder, signature.args[0], given[0], given[1], _VECTOR), align=1)
        return context.get_dummy_value()

    return types.void(target, at, text, place), generate


@intrinsic
def copy_lowered(typing: Any, target: Any, at: Any, text: Any, place: Any) -> Any:
    """Copy a block to a place of `target`, its capital letters of ASCII as small ones."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        block = _block(context, builder, signature.args[2], given[2], given[3])
        capitals = _between(builder, block, ord("A"), ord("Z"))
        made = builder.select(capitals, builder.or_(block, _all(0x20)), block)
        builder.store(made, _pointer(context, builder, signature.args[0], given[0], given[1], _VECTOR), align=1)
        return context.get_dummy_value()

    return types.void(target, at, text, place), generate


@intrinsic
def eight_bytes(typing: Any, text: Any, place: Any) -> Any:
    """Eight bytes as one number, the first the lowest, uint64."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], given[0], given[1], _WORD), align=1)

    return types.uint64(text, place), generate


@intrinsic
def put_four(typing: Any, target: Any, at: Any, value: Any) -> Any:
    """Write the four lowest bytes of a number at a place of `target`, the lowest first."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], given[0], given[1], ir.IntType(32))
        builder.store(builder.trunc(context.cast(builder, given[2], value, types.uint64), ir.IntType(32)), place, 1)
        return context.get_dummy_value()

    return types.void(target, at, value), generate


@intrinsic
def lowest_bit(typing: Any, bits: Any) -> Any:
    """Place of the lowest bit that is set, uint64; 64 where none is."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.cttz(given[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(bits), generate
