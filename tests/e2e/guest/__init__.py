"""A tiny guest that tells on its serial console what it sees: Debian's cloud kernel, busybox, and an init of ours."""
