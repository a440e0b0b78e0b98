"""From judged rows to report.json, its page and its gallery."""
