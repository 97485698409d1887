"""`gristmill up`: Prefect's server, a worker and the reports, for as long as one command runs."""
