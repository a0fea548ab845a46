"""Archives of arrays under a JSON header: written as a whole or not at all, read without trust.

An archive is a zip file without compression. The member ``header.npy`` is JSON text in a byte
array, which names the other members; each of those is one array in numpy's ``.npy`` format whose
data starts at a multiple of 64 bytes, so that it can be mapped into memory. `numpy.load` reads such
a file as well.
"""

import io
import json
import math
import os
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from numpy.lib import format as npy

from .._typing import BinaryFile, PathLike

if TYPE_CHECKING:
    from typing_extensions import TypeIs

ALIGNMENT = 64
# a zip file holds a member's name and other fields before its data
MEMBER_HEADER = struct.Struct("<4s5H3I2H")
# zipfile adds a field of so many bytes with the sizes of large members
ZIP64_FIELD = 20
# of a field that only takes up room: any id that nobody uses, and the length of what follows
FILLER = struct.Struct("<HH")
FILLER_ID = 0x5652
READ_AT_ONCE = 1 << 24

Header: TypeAlias = dict[str, Any]
Arrays: TypeAlias = dict[str, np.ndarray]
# by name, the number of dimensions and the types that an array may have
Kinds: TypeAlias = Mapping[str, tuple[int, tuple[type, ...]]]
MmapMode: TypeAlias = Literal["c"] | None


def write(file: PathLike | BinaryFile, header: Header, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an archive to a path or to an open binary file.

    A file that is there is replaced once the new one is whole and on the disk; ``.npz`` is added
    to a path without it. What a symbolic link points to is replaced, not the link.
    """
    if _is_open(file, "write"):
        if isinstance(file, io.TextIOBase):
            raise TypeError("the file was opened for text: open it with mode 'wb'")
        # without going back, which compressing files and uploads cannot
        _write_members(_Forward(file), header, arrays)
        return
    path = target(with_suffix(file))
    temporary = NamedTemporaryFile(  # noqa: SIM115 - closed before it is moved
        dir=path.parent, prefix=path.name, suffix=".part", delete=False
    )
    try:
        with temporary:
            _write_members(temporary, header, arrays)
            temporary.flush()
            os.fsync(temporary.fileno())
        _keep_permissions(temporary.name, path)
        os.replace(temporary.name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary.name)
        raise


def target(path: Path) -> Path:
    """Return the file that a path stands for, through any symbolic links; it need not exist."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def check_writable(path: Path, argument: str) -> None:
    """Raise OSError if no file can be written at a path, before there is anything to write."""
    path = target(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"{argument} is the folder {str(path)!r}: name a file in it, "
            f"such as {str(path / 'training.npz')!r}"
        )
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part"):
            pass
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{argument} is {str(path)!r}, but there is no folder {str(path.parent)!r}: make it "
            "first, with Path.mkdir(parents=True)"
        ) from error
    except OSError as error:
        raise type(error)(
            f"{argument} is {str(path)!r}, where nothing can be written ({error}): choose another "
            "folder"
        ) from error


class _Forward:
    """An open file without the means to go back in it."""

    def __init__(self, file: BinaryFile):
        self.write = file.write
        self.flush = getattr(file, "flush", lambda: None)


def _write_members(
    file: BinaryFile | _Forward, header: Header, arrays: Mapping[str, np.ndarray]
) -> None:
    text = json.dumps(header | {"arrays": list(arrays)}).encode()
    # zipfile asks for no more of a file than these two methods
    whole = cast(BinaryFile, file)
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, array in {"header": np.frombuffer(text, np.uint8), **arrays}.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            # the types do not know that an archive has its file until it is closed
            start = archive.fp.tell()  # type: ignore[union-attr]
            before = start + MEMBER_HEADER.size + len(member.filename) + ZIP64_FIELD
            room = -(before + FILLER.size) % ALIGNMENT
            member.extra = FILLER.pack(FILLER_ID, room) + bytes(room)
            with archive.open(member, "w", force_zip64=True) as opened:
                npy.write_array(opened, np.ascontiguousarray(array), allow_pickle=False)


def read(
    file: PathLike | BinaryFile,
    kinds_of: Callable[[Header], Kinds],
    mmap_mode: MmapMode = None,
) -> tuple[Header, Arrays]:
    """Read the header and the arrays.

    Parameters
    ----------
    file : path or open binary file
        A file that was written by `write`, or claims to be.
    kinds_of : callable
        Called with the header before any array is read, to raise if it is of something else, and
        to return by name the number of dimensions of an array and the types it may have; there
        may be no others.
    mmap_mode : {"c"} or None
        Map the arrays into memory instead of reading them; what is changed there is not written.
        Needs a path.

    Raises
    ------
    ValueError
        The file is damaged, or is none of these. Nothing in it is ever run as code, and no array
        takes more memory than the file is long.
    """
    if mmap_mode not in (None, "c"):
        # arrays that cannot be written to are none that implicit's compiled code takes
        raise ValueError(f"mmap_mode must be 'c' or None, got {mmap_mode!r}")
    if _is_open(file, "read"):
        if mmap_mode is not None:
            raise ValueError(f"mmap_mode={mmap_mode!r} needs a path, got an open file")
        _check_seekable(file)
        return _read_members(file, kinds_of, mapped=False)
    with open(with_suffix(file), "rb") as opened:
        return _read_members(opened, kinds_of, mapped=mmap_mode is not None)


def _check_seekable(file: BinaryFile) -> None:
    """Check that an open file is one that can be read from its end."""
    if isinstance(file, io.TextIOBase):
        raise TypeError("the file was opened for text: open it with mode 'rb'")
    try:
        file.seek(file.tell())
        file.seek(0, os.SEEK_END)
    except (AttributeError, OSError, ValueError) as error:
        raise ValueError(
            f"a model is read from its end on, but this {type(file).__name__} cannot seek: read it "
            "whole first, load(io.BytesIO(file.read()))"
        ) from error


def _read_members(
    file: BinaryFile,
    kinds_of: Callable[[Header], Kinds],
    *,
    mapped: bool,
) -> tuple[Header, Arrays]:
    with _damage():
        length = file.seek(0, os.SEEK_END)
        archive = zipfile.ZipFile(file)
        text = _read_array(archive, "header", 1, (np.uint8,), length, None)
        header = json.loads(text.tobytes().decode())
        if not isinstance(header, dict):
            raise ValueError("its header is no object")
    kinds = kinds_of(header)
    with _damage(), archive:
        arrays = {
            name: _read_array(archive, name, *kinds[name], length, file if mapped else None)
            for name in header.get("arrays", ())
        }
    return header, arrays


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # a damaged file fails in as many ways as zip files and headers are read
        raise ValueError(f"this is not a whole file of vseens_rec: {error}") from error


def _read_array(
    archive: zipfile.ZipFile,
    name: str,
    ndim: int,
    types: tuple[type, ...],
    length: int,
    mapped_file: BinaryFile | None,
) -> np.ndarray:
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        # what is compressed could become any number of times larger
        raise ValueError(f"{name} is compressed or encrypted")
    with archive.open(member) as opened:
        version = npy.read_magic(opened)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"{name} has version {version} of numpy's format")
        shape, in_fortran_order, dtype = readers[version](opened)
        if len(shape) != ndim or dtype not in types or in_fortran_order:
            raise ValueError(f"{name} has {len(shape)} dimensions of type {dtype}")
        start = opened.tell()
        # checked before any memory is taken
        if (
            min(shape) < 0
            or math.prod(shape) * dtype.itemsize != member.file_size - start
            or member.header_offset + member.file_size > length
        ):
            raise ValueError(f"{name} is not as large as its shape {shape}")
        if mapped_file is None or not math.prod(shape):
            array = np.empty(shape, dtype)
            view = array.reshape(-1).view(np.uint8).data
            while len(view):
                # typed as any file, of which some lack the method
                n_read = opened.readinto(view[:READ_AT_ONCE])  # type: ignore[attr-defined]
                if not n_read:
                    raise ValueError(f"{name} is cut off")
                view = view[n_read:]
            return array
    # of the file that is open: by its name another one may have taken its place meanwhile
    mapped_file.seek(member.header_offset)
    fields = MEMBER_HEADER.unpack(mapped_file.read(MEMBER_HEADER.size))
    offset = member.header_offset + MEMBER_HEADER.size + fields[-2] + fields[-1] + start
    mapped = np.memmap(mapped_file, dtype, "c", offset, shape)
    return np.asarray(mapped) if mapped.flags.aligned else np.array(mapped)


def _is_open(file: PathLike | BinaryFile, method: str) -> "TypeIs[BinaryFile]":
    return hasattr(file, method)


def with_suffix(file: PathLike) -> Path:
    """Return a path that ends on .npz."""
    if isinstance(file, (bytes, bytearray, memoryview)):
        raise TypeError(
            "a path or an open file is expected, got bytes: for the content of a file use "
            "load(io.BytesIO(content))"
        )
    path = Path(os.fspath(file))
    return path if path.name.endswith(".npz") else path.with_name(path.name + ".npz")


def _keep_permissions(temporary: str, path: Path) -> None:
    """Give the new file the mode of the one it replaces, or that of any new file."""
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    os.chmod(temporary, mode)
