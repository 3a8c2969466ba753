"""How many bytes a row of a Parquet file may have in memory, which its size does not say.

A value that repeats is stored once, in the dictionary of its column, or as the difference to the value before it. In
memory every row has a copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightshift.lake.landed_bytes import BLOCK_BYTES

NUMBER_BYTES = 8
UNCLEAR_ROWS = 1024  # at least, where of the longest value no more is known than that it is stored once
PAGE_BYTES = 2**16  # how much of a column is read at once to find its dictionary


def rows_of_block(stream: BinaryIO, metadata: pq.FileMetaData, number: int) -> int:
    """How many rows of a row group are no more than a block in memory; at least one.

    Args:
        stream: The file.
        metadata: Its metadata.
        number: The number of the row group.
    """
    group = metadata.row_group(number)
    rows, longest = max(1, group.num_rows), _longest_texts(stream, metadata, number)
    widest, unclear = 0, 0
    for place in range(group.num_columns):
        chunk, column = group.column(place), metadata.schema.column(place)
        values = math.ceil(chunk.num_values / rows)  # of a row, in a list
        widest += values * max(NUMBER_BYTES, column.length or 0, longest.get(place, 0))
        if "DELTA_BYTE_ARRAY" in chunk.encodings or (place not in longest and _is_coded_text(metadata, number, place)):
            unclear += chunk.total_uncompressed_size
    # What is in no dictionary and no difference has as many bytes in memory as are stored.
    most: int = BLOCK_BYTES // max(1, widest, group.total_byte_size // rows)
    return max(1, min(most, max(UNCLEAR_ROWS, BLOCK_BYTES // unclear)) if unclear else most)


def _longest_texts(stream: BinaryIO, metadata: pq.FileMetaData, number: int) -> dict[int, int]:
    """The bytes of the longest text in the dictionary of each column that has one, by the column's place."""
    group = metadata.row_group(number)
    paths = {
        place: group.column(place).path_in_schema
        for place in range(group.num_columns)
        if _is_coded_text(metadata, number, place)
    }
    coded = pq.ParquetFile(
        stream, metadata=metadata, read_dictionary=[*paths.values()], buffer_size=PAGE_BYTES, pre_buffer=False
    )
    longest = dict[int, int]()
    for place, path in paths.items():
        first = next(coded.iter_batches(1, [number], columns=[path]))  # one row, and all of the dictionary
        lengths = [
            pc.max(pc.binary_length(dictionary)).as_py() for dictionary in _dictionaries(first.column(0)) if dictionary
        ]
        longest |= {place: max(lengths)} if lengths else {}
    return longest


def _is_coded_text(metadata: pq.FileMetaData, number: int, place: int) -> bool:
    """Whether a column has a dictionary of texts."""
    chunk = metadata.row_group(number).column(place)
    is_text = chunk.physical_type == "BYTE_ARRAY" and metadata.schema.column(place).logical_type.type != "DECIMAL"
    return bool(is_text and chunk.has_dictionary_page and chunk.num_values)


def _dictionaries(values: pa.Array) -> Iterator[pa.Array]:
    """The dictionaries of an array, or of those within it."""
    if pa.types.is_dictionary(values.type):
        yield values.dictionary
    elif pa.types.is_struct(values.type):
        for field in values.flatten():
            yield from _dictionaries(field)
    elif pa.types.is_list(values.type) or pa.types.is_large_list(values.type) or pa.types.is_map(values.type):
        yield from _dictionaries(values.values)
