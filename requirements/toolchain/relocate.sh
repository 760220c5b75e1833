#!/bin/sh
# Makes Debian's own Python run from any folder: relocate.sh VERSION FOLDER, as root in a container of the base.
# FOLDER has site-packages already. Nothing outside of FOLDER is used later but the C library.
set -eu
version=$1 out=$2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PYTHONHASHSEED=0

apt-get -qq update
apt-get -qq install -y --no-install-recommends "python$version-minimal" "libpython$version-stdlib" patchelf >/dev/null

mkdir -p "$out/bin" "$out/lib/python$version"
cp "/usr/bin/python$version" "$out/bin/"
ln -s "python$version" "$out/bin/python3"
# What nothing on a server imports: tests, IDE, GUI, installers, databases and terminals.
tar -C "/usr/lib/python$version" -cf - \
    --exclude=__pycache__ --exclude=./test --exclude=./idlelib --exclude=./tkinter --exclude=./turtledemo \
    --exclude=./ensurepip --exclude=./venv --exclude=./lib2to3 --exclude=./pydoc_data --exclude='./config-*' \
    --exclude=./sqlite3 --exclude=./curses --exclude=./dbm --exclude=./sitecustomize.py --exclude='*/_test*.so' --exclude='*/xx*.so' \
    --exclude='*/_sqlite3.*' --exclude='*/_curses*' --exclude='*/_dbm.*' --exclude='*/_gdbm.*' --exclude='*/readline.*' \
    --exclude='*/nis.*' --exclude='*/ossaudiodev.*' --exclude='*/_tkinter.*' . |
    tar -C "$out/lib/python$version" -xf -

# Shared libraries that a minimal Debian need not have; the C library's own parts always come from the base.
find "$out/bin" "$out/lib/python$version/lib-dynload" -type f | while read -r file; do ldd "$file" 2>/dev/null || true; done |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -Ev '/(ld-linux[^/]*|libc|libm|libdl|libpthread|librt|libutil|libresolv|libnsl|libanl|libmvec)\.so' |
    while read -r library; do cp -L "$library" "$out/lib/"; done

# The path is part of each file, not of the environment: programs that the worker starts use the base's libraries.
patchelf --set-rpath '$ORIGIN/../lib' "$out/bin/python$version"
find "$out/lib/python$version/lib-dynload" -name '*.so' -exec patchelf --set-rpath '$ORIGIN/../..' {} +
find "$out/lib" -maxdepth 1 -name '*.so*' -exec patchelf --set-rpath '$ORIGIN' {} +

# Compiled once, valid for ever, and the same bytes each time; the paths in tracebacks are those under /mnt.
"$out/bin/python3" -I -S -m compileall -q -j 2 --invalidation-mode unchecked-hash -s "$out" -p /mnt \
    "$out/lib/python$version" "$out/site-packages" >/dev/null || true # some files hold syntax of other versions
"$out/bin/python3" -I -S -c 'import sys; sys.path.insert(0, sys.argv[1]); import ssl, ctypes, zlib, salt.state' "$out/site-packages"
