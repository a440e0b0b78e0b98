"""Studies of Beltline's own methods: whether a verdict is wrong as seldom as it says; each runs with `python -m`."""
