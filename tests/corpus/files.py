"""Faults of the file as a whole: cut short, empty, packed or encoded otherwise, of another kind."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.fault import Harmless, Landed, Refused, SetAside, Warned, fault
from corpus.rows import lines_of, names_of, parse, written

UNREADABLE = Refused("ingest", "cannot be read: ")
NO_CARRIER = Refused("ingest", "column 'carrier' is missing")


def whole_lines(content: bytes, share: float) -> bytes:
    lines = lines_of(content)
    return b"".join(lines[: int(len(lines) * share)])


# ---- cut short


@fault("schedule", UNREADABLE)
def cut_inside_a_line(landed: Landed) -> bytes:
    """The upload broke off in the middle of a line."""
    kept = whole_lines(landed.good, 0.8)
    return kept + lines_of(landed.good)[len(lines_of(kept))][:12]


@fault("schedule", Refused("audit", "rows, expected 588 to 1272 (0.6 to 1.3 times"))
def cut_after_half_of_the_lines(landed: Landed) -> bytes:
    """The upload broke off at the end of a line, half way."""
    return whole_lines(landed.good, 0.5)


@fault("schedule", None)
def cut_after_nine_tenths_of_the_lines(landed: Landed) -> bytes:
    """The upload broke off at the end of a line, near the end."""
    return whole_lines(landed.good, 0.9)


@fault("schedule", SetAside("duration_fits_distance", 1))
def cut_inside_the_last_number(landed: Landed) -> bytes:
    """The upload broke off inside a distance: the last flight seems to be a tenth as long."""
    by_length = sorted(lines_of(landed.good)[1:], key=lambda line: int(line.rsplit(b",", 1)[1]))
    return lines_of(landed.good)[0] + b"".join(by_length)[:-2]


@fault("schedule", UNREADABLE, form="csv.gz")
def gzip_cut_short(landed: Landed) -> bytes:
    """The compressed file ends half way."""
    return landed.good[: len(landed.good) // 2]


@fault("schedule", UNREADABLE, form="csv.gz")
def gzip_without_its_last_bytes(landed: Landed) -> bytes:
    """Only the checksum is missing: the text is all there, but nothing proves it."""
    return landed.good[:-4]


@fault("arrivals", UNREADABLE, form="parquet")
def parquet_cut_short(landed: Landed) -> bytes:
    """The Parquet file ends half way."""
    return landed.good[: len(landed.good) // 2]


# ---- nothing, or next to nothing


@fault("schedule", UNREADABLE)
def no_bytes_at_all(landed: Landed) -> bytes:
    """The file is there and empty."""
    return b""


@fault("schedule", Refused("audit", "0 rows, expected 300 to 2000"))
def header_only(landed: Landed) -> bytes:
    """The header and no row."""
    return lines_of(landed.good)[0]


@fault("weather", Refused("audit", "0 rows, expected 51 to 90 (0.7 to 1.25 times 72, the median of the last"))
def weather_header_only(landed: Landed) -> bytes:
    """No observation, of a source that may have none."""
    return lines_of(landed.good)[0]


@fault("arrivals", Refused("audit", "0 rows, expected 300 to 2000"), form="parquet")
def parquet_without_rows(landed: Landed) -> bytes:
    """A complete Parquet file of no row."""
    return as_parquet(pq.read_table(io.BytesIO(landed.good)).slice(0, 0))


# ---- packed otherwise


@fault("schedule", UNREADABLE, form="csv.gz")
def text_named_gz(landed: Landed) -> bytes:
    """The name says gzip, the file is plain text."""
    return gzip.decompress(landed.good)


@fault("schedule", UNREADABLE)
def gzip_named_csv(landed: Landed) -> bytes:
    """The name says text, the file is compressed."""
    return gzip.compress(landed.good, mtime=0)


@fault("schedule", UNREADABLE, form="csv.gz")
def compressed_twice(landed: Landed) -> bytes:
    """Gzip in gzip."""
    return gzip.compress(landed.good, mtime=0)


@fault("schedule", UNREADABLE, form="csv.gz")
def gzip_with_garbage_behind(landed: Landed) -> bytes:
    """Random bytes after the end of the compressed file."""
    return landed.good + landed.random.randbytes(64)


@fault("schedule", Harmless(), form="csv.gz")
def gzip_padded_with_zeros(landed: Landed) -> bytes:
    """The compressed file is filled up to a whole block with zeros, as tapes do."""
    return landed.good + bytes(512)


@fault("schedule", Harmless(), form="csv.gz")
def gzip_in_two_members(landed: Landed) -> bytes:
    """Two compressed parts behind each other, as `cat a.gz b.gz` makes them."""
    text = gzip.decompress(landed.good)
    return gzip.compress(text[:10_000], mtime=0) + gzip.compress(text[10_000:], mtime=0)


@fault("arrivals", UNREADABLE, form="parquet")
def parquet_with_garbage_behind(landed: Landed) -> bytes:
    """Random bytes after the end of the Parquet file."""
    return landed.good + landed.random.randbytes(64)


@fault("arrivals", UNREADABLE, form="parquet")
def csv_named_parquet(landed: Landed) -> bytes:
    """The name says Parquet, the file is text."""
    return written(pq.read_table(io.BytesIO(landed.good)).slice(0, 300).to_pylist())


# ---- Parquet with other types


@fault("arrivals", Harmless(), form="parquet")
def parquet_integers_as_doubles(landed: Landed) -> bytes:
    """Every integer is stored as a double, as pandas does where some are missing."""
    table = pq.read_table(io.BytesIO(landed.good))
    wide = [pa.field(f.name, pa.float64() if pa.types.is_integer(f.type) else f.type) for f in table.schema]
    return as_parquet(table.cast(pa.schema(wide)))


@fault("arrivals", Harmless(), form="parquet")
def parquet_everything_as_text(landed: Landed) -> bytes:
    """Every column is stored as text."""
    table = pq.read_table(io.BytesIO(landed.good))
    return as_parquet(table.cast(pa.schema([pa.field(name, pa.string()) for name in table.column_names])))


@fault("arrivals", Harmless(), form="parquet")
def parquet_nan_for_missing(landed: Landed) -> bytes:
    """The delays of flights that never left are not-a-number instead of missing."""
    table = pq.read_table(io.BytesIO(landed.good))
    nan = table["dep_delay"].cast(pa.float64()).fill_null(float("nan"))
    return as_parquet(table.set_column(table.column_names.index("dep_delay"), "dep_delay", nan))


@fault("arrivals", Harmless(), form="parquet")
def parquet_empty_text_for_missing(landed: Landed) -> bytes:
    """Where no aircraft is known there is an empty text instead of a missing one."""
    table = pq.read_table(io.BytesIO(landed.good))
    filled = table["tailnum"].fill_null("")
    return as_parquet(table.set_column(table.column_names.index("tailnum"), "tailnum", filled))


@fault("arrivals", Refused("ingest", "column 'flight' holds a value that is not of type integer"), form="parquet")
def parquet_fractions_in_an_integer(landed: Landed) -> bytes:
    """The flight numbers have fractions."""
    table = pq.read_table(io.BytesIO(landed.good))
    halves = pa.array([number + 0.5 for number in table["flight"].to_pylist()])
    return as_parquet(table.set_column(table.column_names.index("flight"), "flight", halves))


def as_parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


# ---- something else altogether


@fault("schedule", NO_CARRIER)
def error_page(landed: Landed) -> bytes:
    """The server's error page was saved under the file's name."""
    return b"<!DOCTYPE html>\n<html><body><h1>503 Service Unavailable</h1></body></html>\n"


@fault("schedule", NO_CARRIER)
def lines_of_json(landed: Landed) -> bytes:
    """One JSON object a line."""
    # Without the commas between its values: with them it is a CSV file of odd columns, and refused alike.
    return b"".join(json.dumps({"carrier": row["carrier"]}).encode() + b"\n" for row in parse(landed.good))


@fault("schedule", Refused("ingest", "column 'carrier' is missing; received 'tailnum, year, manufacturer"))
def file_of_another_source(landed: Landed) -> bytes:
    """The aircraft register landed as the schedule."""
    return landed.others["planes"]


@fault("schedule", UNREADABLE)
def random_bytes(landed: Landed) -> bytes:
    """Noise, or an encrypted file."""
    return landed.random.randbytes(len(landed.good))


# ---- encodings and line ends


@fault("schedule", Harmless())
def byte_order_mark(landed: Landed) -> bytes:
    """UTF-8 with a byte order mark, as spreadsheets write it."""
    return b"\xef\xbb\xbf" + landed.good


@fault("schedule", UNREADABLE)
def utf_16(landed: Landed) -> bytes:
    """UTF-16, as some databases export it."""
    return landed.good.decode().encode("utf-16")


@fault("planes", UNREADABLE)
def latin_1(landed: Landed) -> bytes:
    """A manufacturer with an accent, in Latin-1 instead of UTF-8."""
    return landed.good.replace(b",EMBRAER,", ",EMBRAER SÃO JOSÉ,".encode("latin-1"))


@fault("schedule", Harmless())
def mixed_line_ends(landed: Landed) -> bytes:
    """Every other line ends as on Windows."""
    lines = lines_of(landed.good)
    return b"".join(line[:-1] + b"\r\n" if number % 2 else line for number, line in enumerate(lines))


@fault("schedule", Harmless())
def no_newline_at_the_end(landed: Landed) -> bytes:
    """The last line has no end."""
    return landed.good[:-1]


@fault("schedule", Harmless())
def blank_lines_at_the_end(landed: Landed) -> bytes:
    """Empty lines behind the rows."""
    return landed.good + b"\n\n\n"


@fault("schedule", UNREADABLE)
def zeros_at_the_end(landed: Landed) -> bytes:
    """The last block was never written: NUL bytes behind the rows, as a crash leaves them."""
    return landed.good + bytes(512)


@fault("planes", Warned("manufacturer has"))
def nul_bytes_in_text(landed: Landed) -> bytes:
    """NUL bytes between the letters of manufacturers, as fixed-width exports pad them."""
    return landed.good.replace(b",BOEING,", b",BOEING\x00\x00,")


# ---- lines that are no rows


@fault("schedule", UNREADABLE)
def line_with_the_row_count(landed: Landed) -> bytes:
    """A summary behind the rows."""
    return landed.good + f"-- {len(parse(landed.good))} rows exported\n".encode()


@fault("schedule", NO_CARRIER)
def title_above_the_header(landed: Landed) -> bytes:
    """A report's title before the header."""
    return b"Planned departures" + b"," * (len(names_of(landed.good)) - 1) + b"\n" + landed.good


@fault("schedule", NO_CARRIER)
def no_header(landed: Landed) -> bytes:
    """The rows without their header."""
    return b"".join(lines_of(landed.good)[1:])
