"""Soak: the line's load for as long as asked, on disk in constant memory, judged once the device is steady."""
