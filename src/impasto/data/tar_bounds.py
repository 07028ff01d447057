"""What the headers of a tar file may claim: tarfile believes 100 GB in a file of 10 kB."""

import tarfile
from typing import BinaryIO

MOST_FILE_BYTES = 2**30  # of one picture in a shard


class Bounded:
    """A file of which tarfile reads no more at once than a picture may have, whatever a header says."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.name = file.seek, file.tell, file.name

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or as many as there are. Raises `tarfile.ReadError` for too many."""
        if not 0 <= size <= MOST_FILE_BYTES:
            raise tarfile.ReadError(f"a part of it claims {size:,} bytes")
        return self._file.read(size)


def check_member(member: tarfile.TarInfo, size: int) -> None:
    """Refuse a file that a tar of that `size` cannot hold, or larger than any picture.

    Raises `tarfile.ReadError`.
    """
    if member.issparse():
        raise tarfile.ReadError(f"'{member.name}' is stored with holes (sparse), which no picture is")
    if not 0 <= member.size <= min(size, MOST_FILE_BYTES):
        raise tarfile.ReadError(f"'{member.name}' claims {member.size:,} bytes")
