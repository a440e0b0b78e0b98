"""Charts as pure functions from numbers to SVG text; colours come from the page's style sheet through classes."""
