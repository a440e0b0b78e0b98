"""The report: report.json, gallery and traces to one self-contained HTML page."""
