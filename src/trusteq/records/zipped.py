"""What is in a ZIP archive? Members one by one, zstd ones too; what could unpack to any size is refused unread."""

import io
import struct
import zipfile
import zlib
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from trusteq.checks import brief
from trusteq.records.memory import check_fits

ZSTD = 93  # Python's own module knows it from 3.14 on
MEMBERS = 500_000
RATIO = 1000  # of sizes; logs of text reach 100
SMALL = 1 << 20  # bytes that nobody minds, whatever their ratio
LOCAL = struct.Struct("<26xHH")  # a member's own header ends with the lengths of its name and its extra field


class Zipped:
    """An archive that was checked before anything in it is unpacked."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.size = path.stat().st_size
            self.file = zipfile.ZipFile(path)
        except Exception:  # each way to be damaged has errors of its own
            raise ValueError(f"{path.name} is no whole ZIP archive") from None
        try:
            self.check()
        except ValueError:
            self.file.close()
            raise

    def check(self) -> None:
        members, name = self.file.infolist(), self.path.name
        if len(members) > MEMBERS:
            raise ValueError(f"{name} has {len(members):,} members; {MEMBERS:,} are the most that are read")
        whole, packed = sum(one.file_size for one in members), sum(one.compress_size for one in members)
        if packed > self.size:
            raise ValueError(f"{name} has members that lie in one another, as no program writes them")
        for one in members:
            if one.file_size > SMALL and one.file_size > RATIO * one.compress_size:
                raise ValueError(f"{name}: {brief(one.filename)} unpacks to over {RATIO:,} times its size")
        check_fits(name, whole)

    def names(self) -> list[str]:
        return self.file.namelist()

    def read(self, name: str) -> bytes:
        """A member, no longer than the archive says that it is, and with its checksum."""
        member = self.file.getinfo(name)
        try:
            content = self.unpacked(member)
        except Exception:  # of a library, or of a damaged header
            raise ValueError(
                f"{self.path.name}: {brief(name)} is damaged or packed in a way that is not known"
            ) from None
        if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
            raise ValueError(f"{self.path.name}: {brief(name)} is damaged: it is not what its checksum says")
        return content

    def unpacked(self, member: zipfile.ZipInfo) -> bytes:
        if member.compress_type != ZSTD:
            with self.file.open(member) as file:
                return file.read(member.file_size + 1)
        with self.path.open("rb") as file:
            file.seek(member.header_offset)
            file.seek(sum(LOCAL.unpack(file.read(LOCAL.size))), io.SEEK_CUR)
            packed = file.read(member.compress_size)
        with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
            return bytes(stream.read(member.file_size + 1))

    def __enter__(self) -> "Zipped":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
