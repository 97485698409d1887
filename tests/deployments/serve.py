"""`gristmill up` with the toy flows for deployments: LAKE PORT REPORTS_PORT."""

import sys

from flows.serve.processes import ServeFailed
from flows.serve.up import up

if __name__ == "__main__":
    lake, port, reports_port = sys.argv[1:]
    try:
        up(lake, int(port), int(reports_port), register=[sys.executable, "-m", "tests.deployments.toys"])
    except ServeFailed as error:
        sys.exit(str(error))
