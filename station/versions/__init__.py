"""Versions side by side: installed, tested, put to work, taken back."""
