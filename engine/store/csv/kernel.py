"""Bytes of complete CSV records to numbers and text spans, as machine code that leaves the interpreter's lock alone.

A number is read eight digits at a time into a 64-bit mantissa and multiplied by a power of ten. The product is within
four units in the last place of the exact double (three roundings: mantissa, power, product), so rounding it to
float32 gives what rounding the exact double would, unless it stands next to a midpoint of two float32 values. Those
numbers (three in 100 million), and everything else out of the ordinary, are left as slow cells to Python's own `float`.

References
----------
Clinger (1990), "How to read floating point numbers accurately", PLDI; Lemire (2021), "Number parsing at a gigabyte
per second", SPE 51(8).
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.extending import intrinsic
from numba.np.arrayobj import make_array

PADDING = 16  # readable bytes that must follow a block, because digits are loaded eight at a time
IGNORED, LABEL, PATH = -1, -2, -3
SLOT_RECORD, SLOT_LINE, SLOT_LABEL, SLOT_LABEL_END, SLOT_PATH, SLOT_PATH_END, SLOT_START, SLOT_STOP = range(8)
SLOTS = 8
FIELDS, QUOTE_JUNK, QUOTE_OPEN = range(3)
BAD_RECORD, BAD_LINE, BAD_WRONG, BAD_FIELDS, BAD_START, BAD_STOP = range(6)
BADS = 6

LOWEST_POWER, HIGHEST_POWER = -60, 40
POWERS = np.array([float(f"1e{power}") for power in range(LOWEST_POWER, HIGHEST_POWER + 1)])
NEGATIVE_POWERS = np.array([float(f"1e-{power}") for power in range(17)])
LARGEST_BEFORE = np.array([10 ** (19 - digits) for digits in range(9)], np.uint64)  # times 10^digits still fits 64 bits
SCALE = np.array([10**digits for digits in range(9)], np.uint64)

COMMA_LIKE, NEWLINE, RETURN, QUOTE, SPACE, PLUS, MINUS, POINT, ZERO = 44, 10, 13, 34, 32, 43, 45, 46, 48
_ZEROS = np.uint64(0x3030303030303030)
_TO_HIGH_BIT = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)
_BYTES_0_4 = np.uint64(0x000000FF000000FF)
_PAIR_LOW, _PAIR_HIGH = np.uint64(0x000F424000000064), np.uint64(0x0000271000000001)
_TEN, _ZERO, _3, _8, _16, _32, _63 = (np.uint64(value) for value in (10, ZERO, 3, 8, 16, 32, 63))
_BELOW_MIDPOINT_MASK = np.uint64((1 << 29) - 1)
_NEAR_MIDPOINT, _NEAR_WIDTH = np.uint64((1 << 28) - 8), np.uint64(16)


@intrinsic
def _load8(typingctx, text, index):
    """The eight bytes of `text` from `index` on, as one little-endian number."""

    def codegen(context, builder, signature, args):
        array = make_array(signature.args[0])(context, builder, args[0])
        place = builder.gep(array.data, [args[1]])
        word = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), typ=ir.IntType(64))
        word.align = 1
        return word

    return types.uint64(text, types.int64), codegen


@intrinsic
def _item(typingctx, array, index):
    """``array[index]`` for an index known not to be negative, which spares the test whether it counts from the end."""

    def codegen(context, builder, signature, args):
        data = make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.int64), codegen


@intrinsic
def _put(typingctx, array, index, value):
    """``array.reshape(-1)[index] = value`` for a C-contiguous float32 array."""

    def codegen(context, builder, signature, args):
        data = make_array(signature.args[0])(context, builder, args[0]).data
        builder.store(args[2], builder.gep(data, [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.int64, types.float32), codegen


@intrinsic
def _trailing_zeros(typingctx, word):
    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), codegen


@intrinsic
def _bits(typingctx, value):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.uint64(types.float64), codegen


@intrinsic
def _float(typingctx, word):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), codegen


@njit(inline="always")
def _digits(text, index):
    """How many of the next eight bytes are digits before the first that is none, and the number they form."""
    word = _load8(text, index) ^ _ZEROS
    stops = ((word + _TO_HIGH_BIT) | word) & _HIGH_BITS
    count = np.int64(8)
    if stops != 0:  # a branch that is mostly foreseen, so that the next load need not wait for `count`
        count = np.int64(_trailing_zeros(stops) >> _3)
        half = np.uint64((8 - count) * 4)
        word = (word << half) << half  # in two steps: a shift by 64 bits is undefined
    word = word * _TEN + (word >> _8)
    word = (((word & _BYTES_0_4) * _PAIR_LOW) + (((word >> _16) & _BYTES_0_4) * _PAIR_HIGH)) >> _32
    return count, word


@njit(inline="always")
def _fraction(text, index, mantissa):
    """Read digits from `index` on behind those of `mantissa`: where they end, the mantissa, whether it still fits."""
    while True:
        count, value = _digits(text, index)
        if mantissa >= _item(LARGEST_BEFORE, count):
            return index, mantissa, False
        mantissa = mantissa * _item(SCALE, count) + value
        index += count
        if count < 8:
            return index, mantissa, True


@njit(inline="always")
def _whole(text, index):
    """Read the digits before the point, of which there are mostly one or two."""
    mantissa = np.uint64(0)
    digit = np.uint64(_item(text, index)) - _ZERO
    while digit < _TEN:
        mantissa = mantissa * _TEN + digit
        index += 1
        digit = np.uint64(_item(text, index)) - _ZERO
    return index, mantissa


@njit(inline="always")
def _exponent(text, index):
    """Read the signed digits behind an ``e``: where they end and their value; 9999 when there are none or too many."""
    sign = _item(text, index)
    if sign == MINUS or sign == PLUS:
        index += 1
    count, value = _digits(text, index)
    if count == 0 or count > 4:
        return index, 9999
    power = np.int64(value)
    return index + count, -power if sign == MINUS else power


@njit(inline="always")
def _signed(value, negative):
    return np.float32(_float(_bits(value) | (negative << _63)))


@njit(inline="always")
def _number(text, index, lowest, highest):
    """The number that begins at `index`: where it ends, its value, and whether the fast path could read it exactly."""
    start = index
    sign = _item(text, index)
    negative = np.uint64(sign == MINUS)
    index += np.int64(sign == MINUS) + np.int64(sign == PLUS)  # signs are coin tosses: no branch may depend on them
    first = index
    index, mantissa = _whole(text, index)
    digits = index - first
    if digits > 18:
        return start, np.float32(0), False
    power = 0
    if _item(text, index) == POINT:
        point = index + 1
        index, mantissa, fits = _fraction(text, point, mantissa)
        power = point - index
        digits -= power
        if not fits:
            return start, np.float32(0), False
    if digits == 0:
        return start, np.float32(0), False
    if _item(text, index) | 32 == 101:
        index, exponent = _exponent(text, index + 1)
        power += exponent
    if mantissa == 0 and power < 9000:
        return index, _signed(0.0, negative), True
    if power < LOWEST_POWER or power > HIGHEST_POWER:
        return start, np.float32(0), False
    value = np.float64(mantissa) * _item(POWERS, power - LOWEST_POWER)
    beside_midpoint = (_bits(value) & _BELOW_MIDPOINT_MASK) - _NEAR_MIDPOINT <= _NEAR_WIDTH
    if beside_midpoint or value < lowest or value > highest:
        return start, np.float32(0), False
    return index, _signed(value, negative), True


@njit(inline="always")
def _plain_number(text, index):
    """`_number` for the form that nearly all features have: a digit, a point, up to 15 more digits, no exponent.

    Its value is 0 or lies between 1e-15 and 10, so that the range needs no test.
    """
    sign = _item(text, index)
    negative = np.uint64(sign == MINUS)
    index += np.int64(sign == MINUS)
    whole = np.uint64(_item(text, index)) - _ZERO
    if whole >= _TEN or _item(text, index + 1) != POINT:
        return index, np.float32(0), False
    count, mantissa = _digits(text, index + 2)
    mantissa += whole * _item(SCALE, count)
    index += 2 + count
    places = count
    if count == 8:
        count, value = _digits(text, index)
        mantissa = mantissa * _item(SCALE, count) + value
        index += count
        places += count
    value = np.float64(np.int64(mantissa)) * _item(NEGATIVE_POWERS, places)
    beside_midpoint = (_bits(value) & _BELOW_MIDPOINT_MASK) - _NEAR_MIDPOINT <= _NEAR_WIDTH
    return index, _signed(value, negative), count < 8 and not beside_midpoint


@njit(inline="always")
def _ends_field(text, index, size, delimiter):
    byte = _item(text, index)
    return (
        index >= size or byte == delimiter or byte == NEWLINE or (byte == RETURN and _item(text, index + 1) == NEWLINE)
    )


@njit(inline="always")
def _padded_number(text, index, size, delimiter, lowest, highest):
    """A number with what may stand around it (spaces, one pair of quotes), up to the end of its field."""
    start = index
    quoted = _item(text, index) == QUOTE
    if quoted:
        index += 1
    while _item(text, index) == SPACE:
        index += 1
    index, value, exact = _number(text, index, lowest, highest)
    if not exact:
        return start, value, False
    while _item(text, index) == SPACE:
        index += 1
    if quoted:
        if _item(text, index) != QUOTE:
            return start, value, False
        index += 1
    return index, value, _ends_field(text, index, size, delimiter)


@njit(inline="always")
def _field_end(text, index, size, delimiter):
    while not _ends_field(text, index, size, delimiter):
        index += 1
    return index


@njit
def _quoted_end(text, index, size):
    """Where the quoted field that opened before `index` closes (`size`: nowhere), and the line breaks inside it."""
    lines = 0
    while index < size:
        if _item(text, index) == NEWLINE:
            lines += 1
        if _item(text, index) == QUOTE:
            if _item(text, index + 1) != QUOTE or index + 1 >= size:
                return index, lines
            index += 1
        index += 1
    return size, lines


@njit(cache=True, nogil=True)
def parse_records(text, size, delimiter, kinds, lowest, highest, x, slots, slow, bad):
    """Read the records in ``text[:size]``; `text` goes on for `PADDING` zero bytes.

    Parameters
    ----------
    text : uint8
    kinds : (columns,) int64
        For each column its position among the features, or `IGNORED`, `LABEL`, `PATH`.
    lowest, highest
        Absolute values outside this range, zero apart, are left to the slow path.
    x : (rows, d) float32, filled
    slots : (rows, 8) int32, filled
        For each row of `x`: its record, its line, and the spans of its label, its path and of all of it.
    slow : (cells, 4) int32, filled
        Row, column, start and stop of each feature cell that `x` still lacks.
    bad : (records, 6) int32, filled
        Record, line, what is wrong, the number of fields, and the span of each record that has no row.

    Returns
    -------
    rows, slow cells, bad records, records, lines
    """
    columns, dim = len(kinds), x.shape[1]
    index = line = record = row = cells = bads = 0
    while index < size:
        if _item(text, index) == NEWLINE:
            index += 1
            line += 1
            continue
        if _item(text, index) == RETURN and _item(text, index + 1) == NEWLINE:
            index += 2
            line += 1
            continue
        first, first_line, first_cell, column, wrong = index, line, cells, 0, -1
        label = label_end = path = path_end = last = 0
        while True:
            kind = _item(kinds, column) if column < columns else IGNORED
            exact = False
            start = index
            if kind >= 0 and wrong < 0:
                stop, value, exact = _plain_number(text, index)
                if exact and _item(text, stop) == delimiter:
                    _put(x, row * dim + kind, value)
                    column += 1
                    index = stop + 1
                    continue
                index, value, exact = _padded_number(text, index, size, delimiter, lowest, highest)
                if exact:
                    _put(x, row * dim + kind, value)
            if not exact:
                index = start
                if _item(text, index) == QUOTE and index < size:
                    start = index + 1
                    stop, breaks = _quoted_end(text, start, size)
                    line += breaks
                    if stop == size:
                        wrong = QUOTE_OPEN
                    index = min(stop + 1, size)
                    if not _ends_field(text, index, size, delimiter):
                        wrong = QUOTE_JUNK
                        index = _field_end(text, index, size, delimiter)
                else:
                    index = stop = _field_end(text, index, size, delimiter)
                if kind >= 0 and wrong < 0:
                    slow[cells, 0], slow[cells, 1], slow[cells, 2], slow[cells, 3] = row, column, start, stop
                    cells += 1
                elif kind == LABEL:
                    label, label_end = start, stop
                elif kind == PATH:
                    path, path_end = start, stop
            column += 1
            if index < size and _item(text, index) == delimiter:
                index += 1
                continue
            last = index
            if index < size and _item(text, index) == RETURN:
                index += 1
            if index < size:
                index += 1
                line += 1
            break
        if wrong < 0 and column != columns:
            wrong = FIELDS
        if wrong >= 0:
            bad[bads, 0], bad[bads, 1], bad[bads, 2], bad[bads, 3] = record, first_line, wrong, column
            bad[bads, 4], bad[bads, 5] = first, last
            bads += 1
            cells = first_cell
        else:
            slots[row, 0], slots[row, 1] = record, first_line
            slots[row, 2], slots[row, 3], slots[row, 4], slots[row, 5] = label, label_end, path, path_end
            slots[row, 6], slots[row, 7] = first, last
            row += 1
        record += 1
    return row, cells, bads, record, line


@njit(cache=True, nogil=True)
def last_record_end(text, size, delimiter):
    """Where the last complete record in ``text[:size]`` ends (0: none does), the line breaks before, all line breaks.

    Nearly all stretches of 256 bytes have neither quote nor line break; vector instructions pass over them.
    """
    end = breaks = breaks_before = 0
    inside = reopens = False
    previous = NEWLINE
    for start in range(0, size, 256):
        stop = min(start + 256, size)
        stretch = text[start:stop]
        marks = 0
        for index in range(len(stretch)):
            marks += stretch[index] == QUOTE
            marks += stretch[index] == NEWLINE
        if marks == 0:
            previous = np.int64(text[stop - 1])
            reopens = False
            continue
        for index in range(start, stop):
            byte = np.int64(text[index])
            if byte == QUOTE and inside:
                inside = False
                reopens = True  # the next byte being a quote too, the two stand for one
            elif byte == QUOTE:
                inside = reopens or previous == delimiter or previous == NEWLINE
                reopens = False
            else:
                reopens = False
                if byte == NEWLINE:
                    breaks += 1
                    if not inside:
                        end, breaks_before = index + 1, breaks
            previous = byte
    return end, breaks_before, breaks


@njit(cache=True, nogil=True)
def gather_text(text, spans, ends, data):
    """Copy ``text[start:stop]`` for each of `spans : (n, 2)` into `data`, doubled quotes of quoted fields halved.

    ``ends : (n + 1,) int32`` is filled with the boundaries in `data`; returns how many bytes were copied.
    """
    copied = 0
    ends[0] = 0
    for row in range(len(spans)):
        start, stop = spans[row, 0], spans[row, 1]
        quoted = start > 0 and _item(text, start - 1) == QUOTE
        index = start
        while index < stop:
            data[copied] = _item(text, index)
            copied += 1
            if quoted and _item(text, index) == QUOTE:
                index += 1
            index += 1
        ends[row + 1] = copied
    return copied


P1, P2, P3, P4, P5 = (
    np.uint64(value)
    for value in (
        *(0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9),
        *(0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5),
    )
)
# Arrays that may not be written to, such as those of a mapped file, and those that may be.
_DIGESTED = types.void(
    types.Array(types.uint8, 1, "C", readonly=True),
    types.Array(types.int32, 2, "A", readonly=True),
    types.uint64[::1],
)
LANES = np.array([0x60EA27EEADC0B5D6, 0xC2B2AE3D27D4EB4F, 0, 0x61C8864E7A143579], np.uint64)  # P1 + P2, P2, 0, -P1
_LOW_HALF = np.uint64(0xFFFFFFFF)


@njit(inline="always")
def _turned(word, bits):
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@njit(inline="always")
def _round(lane, word):
    return _turned(lane + word * P2, 31) * P1


@njit(inline="always")
def _merged(digest, lane):
    return (digest ^ _round(np.uint64(0), lane)) * P1 + P4


@njit(_DIGESTED, cache=True, nogil=True)
def digest_records(text, spans, digests):
    """Fill ``digests : (n,) uint64`` with XXH64 of ``text[start:stop]`` for each of `spans : (n, 2)`.

    The published algorithm with seed 0; `text` goes on for `PADDING` bytes. 4 GB a second, beside some 0.4 of parsing.
    """
    for row in range(len(spans)):
        index, stop = np.int64(spans[row, 0]), np.int64(spans[row, 1])
        size = np.uint64(stop - index)
        if stop - index >= 32:
            one, two, three, four = LANES[0], LANES[1], LANES[2], LANES[3]
            while index <= stop - 32:
                one = _round(one, _load8(text, index))
                two = _round(two, _load8(text, index + 8))
                three = _round(three, _load8(text, index + 16))
                four = _round(four, _load8(text, index + 24))
                index += 32
            digest = _turned(one, 1) + _turned(two, 7) + _turned(three, 12) + _turned(four, 18)
            digest = _merged(_merged(_merged(_merged(digest, one), two), three), four)
        else:
            digest = P5
        digest += size
        while index <= stop - 8:
            digest = _turned(digest ^ _round(np.uint64(0), _load8(text, index)), 27) * P1 + P4
            index += 8
        if index <= stop - 4:
            digest = _turned(digest ^ ((_load8(text, index) & _LOW_HALF) * P1), 23) * P2 + P3
            index += 4
        while index < stop:
            digest = _turned(digest ^ (np.uint64(text[index]) * P5), 11) * P1
            index += 1
        digest = (digest ^ (digest >> np.uint64(33))) * P2
        digest = (digest ^ (digest >> np.uint64(29))) * P3
        digests[row] = digest ^ (digest >> np.uint64(32))
