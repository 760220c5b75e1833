"""Ends with 0 when a process that is seen here has a connection to the port of the message queue: argument 1."""
import glob
import os
import sys

ESTABLISHED = "01"
inodes = set()
for table in ("/proc/net/tcp", "/proc/net/tcp6"):
    with open(table) as lines:
        for fields in map(str.split, lines):
            if fields[3] == ESTABLISHED and int(fields[2].rpartition(":")[2], 16) == int(sys.argv[1]):
                inodes.add(f"socket:[{fields[9]}]")
for link in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        if os.readlink(link) in inodes:
            sys.exit(0)
    except OSError:
        pass  # a process that has ended, or a file that was closed
sys.exit("no connection to the message queue")
