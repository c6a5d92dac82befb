"""What a Parquet file unpacks to, as the headers of its pages say it.

The sizes at the file's end are for planning, and may say anything. The header of a page says what Arrow asks memory
for; what unpacks to anything else is refused by it (https://parquet.apache.org/docs/file-format/data-pages/). All of
this is in Thrift; pyarrow would tell where the pages of a column are, but ends the process where that is broken.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from loan_api.formats.refusals import MalformedBodyError
from loan_api.formats.thrift import ThriftReader, Wanted

# A file with more is not for some thousand rows, and takes seconds to look at.
_MOST_PAGES = 100_000
_MOST_METADATA_BYTES = 2**22
# The end of a file: the length of its metadata, then "PAR1".
_LENGTH_BYTES = 4
_END_BYTES = 8
# Numbers of the fields in the format's parquet.thrift.
_ROW_GROUPS, _COLUMNS, _COLUMN = 4, 1, 3
_COLUMN_BYTES, _DATA_PAGES, _DICTIONARY_PAGE = 7, 9, 11
_FILE: Wanted = {_ROW_GROUPS: {_COLUMNS: {_COLUMN: {_COLUMN_BYTES: None, _DATA_PAGES: None, _DICTIONARY_PAGE: None}}}}
_UNPACKED, _PACKED = 2, 3
_PAGE: Wanted = {_UNPACKED: None, _PACKED: None}


def unpacked_bytes(file: bytes) -> int:
    """What all pages of a file whose end is valid add up to once they are unpacked.

    Raises ValueError or KeyError where they are not there, MalformedBodyError where there is too much to look at.
    """
    sizes = 0
    for pages, page in enumerate(_pages(file)):
        if pages > _MOST_PAGES:
            raise MalformedBodyError(f"The file has more than {_MOST_PAGES} pages.")
        sizes += page
    return sizes


def _pages(file: bytes) -> Iterator[int]:
    for column in _columns(file):
        place = column[_DATA_PAGES]
        # As Arrow does it.
        if 0 < column.get(_DICTIONARY_PAGE, 0) < place:
            place = column[_DICTIONARY_PAGE]
        end = place + column[_COLUMN_BYTES]
        if not 0 <= place <= end <= len(file):
            raise ValueError("a column is not in the file")
        while place < end:
            reader = ThriftReader(file, place)
            header = reader.read(_PAGE)
            if min(header[_UNPACKED], header[_PACKED]) < 0:
                raise ValueError("a page has a size that is none")
            yield header[_UNPACKED]
            place = reader.place + header[_PACKED]


def _columns(file: bytes) -> Iterator[Mapping[int, Any]]:
    """Of each column in each group of rows, what is said of it."""
    length = int.from_bytes(file[-_END_BYTES : _LENGTH_BYTES - _END_BYTES], "little")
    if length > _MOST_METADATA_BYTES:
        raise MalformedBodyError(f"The metadata of the file takes more than {_MOST_METADATA_BYTES} bytes.")
    metadata = ThriftReader(file, len(file) - _END_BYTES - length).read(_FILE)
    for group in metadata[_ROW_GROUPS]:
        for column in group[_COLUMNS]:
            yield column[_COLUMN]
