"""Read a line file and look into it: `python load_a_line.py line.yaml`."""

import sys

import beltline


def main(path: str) -> None:
    """Print what the line asks for; each mistake in the file is answered with its line and the way out."""
    try:
        line = beltline.load_line(path)
    except beltline.BeltlineError as error:
        sys.exit(str(error))
    print(line.run_name, "at", line.line.belt_speed_mm_s, "mm/s")
    for recipe in line.recipes:
        print(recipe.name, "on", recipe.backend, [step.sentence() for step in recipe.steps])


if __name__ == "__main__":
    main(*sys.argv[1:])
