"""Bundles made from runs, brought to devices and rolled out."""
