"""The sections of the report below its first page: one a file, its constant `SECTION`."""
