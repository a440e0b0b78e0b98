"""Publishing outcomes without ever making a frame wait."""
