"""The same job part by part, each on what the last one left: `python part_by_part.py line.yaml runs`."""

import sys

import beltline


def main(path: str, runs: str) -> None:
    """Train, compress, export, measure; what is done is not done again."""
    line = beltline.load_line(path)
    print("teacher:", beltline.train(line, runs=runs))
    print("compressed:", *beltline.compress_line(line, runs=runs))
    print("models:", *beltline.export_line(line, runs=runs))
    outcome = beltline.bench(line, runs=runs)
    print("bench:", outcome.verdict, outcome.summary)


if __name__ == "__main__":
    main(*sys.argv[1:])
