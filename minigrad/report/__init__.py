"""The report: every claim measured, drawn and judged, as a page."""
