"""The teacher: trained here or brought along, and the frames that it sees."""
