#!/usr/bin/env python3
"""Makes one static library out of those of the folders: merge_archives.py AR OUT ARCHIVE..

meson can do this by itself (install of a static library that links others), but takes time exponential in the depth of
the folders for it (1.0.1: minutes here). The archives are thin: they name object files relative to themselves.
"""

import pathlib
import subprocess
import sys


def members(ar, archive):
    listed = subprocess.run([ar, "t", archive], check=True, capture_output=True, text=True).stdout.splitlines()
    return [name if pathlib.Path(name).exists() else str(archive.parent / name) for name in listed]


def main():
    ar, out = sys.argv[1], pathlib.Path(sys.argv[2])
    objects = [o for archive in sys.argv[3:] for o in members(ar, pathlib.Path(archive))]
    out.unlink(missing_ok=True)
    subprocess.run([ar, "csrD", out, *objects], check=True)


if __name__ == "__main__":
    main()
