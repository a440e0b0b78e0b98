"""From a float graph to an int8 one: calibrating, the schemes of each runtime, and which layers stay in float."""
