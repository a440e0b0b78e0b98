"""The whole job from a program: `python run_a_line.py line.yaml runs`."""

import sys

import beltline


def main(path: str, runs: str) -> None:
    """Run it, or go on where it stopped; 0 if it fits, as the command line's exit codes."""
    try:
        outcome = beltline.run(path, runs=runs)
    except beltline.BeltlineError as error:
        sys.exit(str(error))
    print(outcome.message)
    print("report.json:", outcome.summary["report_json"])
    sys.exit(outcome.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
