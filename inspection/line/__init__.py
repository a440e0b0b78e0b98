"""The conveyor: its budget, how parts arrive, what one stall delays, and the gates that must hold."""
