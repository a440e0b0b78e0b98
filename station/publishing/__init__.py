"""Telling others of outcomes without ever making a frame wait."""
