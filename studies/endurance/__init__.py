"""A whole station at the line's pace while all around it fails: `python -m beltline.studies.endurance BUNDLE`."""
