"""What runs on a device that is reached over ssh: one zip of plain Python 3.10, sent first, needing nothing else there.

Each call is one verb with one JSON answer on stdout. Files are kept by digest and jobs live in folders of their own,
both under `~/.cache/beltline`; see `store`, `keeper` and `runtimes`.
"""
