"""Archives of a few files, in memory, for tests."""

import io
import tarfile
import zipfile
from collections.abc import Mapping


def tar_of(members: Mapping[str, bytes] | list[tuple[str, bytes]], packing: str = "gz") -> bytes:
    """A tar archive; ``packing`` is "gz", "xz", "bz2" or ""."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{packing}") as tar:
        for name, data in members.items() if isinstance(members, Mapping) else members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(members: Mapping[str, bytes]) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()
