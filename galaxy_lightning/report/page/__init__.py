"""The browsable page of a report: its template, style and script."""
