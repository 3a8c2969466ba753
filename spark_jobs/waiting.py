"""Waits for the jobs of a night and runs them, one after the other, in one application.

Started by `raw.wait`, and by `nightshift score` for its own jobs; see `nightshift/compute/waiting_driver.py`.
"""

from argparse import ArgumentParser
from pathlib import Path

from nightshift.compute.lost_processes import end_with_jvm
from nightshift.compute.serve_jobs import serve_jobs
from nightshift.compute.warm_session import warm_session

if __name__ == "__main__":
    parser = ArgumentParser(description="Runs the jobs that its callers send.")
    parser.add_argument("--socket", type=Path, required=True, help="the socket to listen on")
    parser.add_argument("--log", type=Path, required=True, help="the file to print to")
    parser.add_argument("--seconds", type=float, required=True, help="how long to wait for a job")
    arguments = parser.parse_args()
    end_with_jvm()
    serve_jobs(Path(__file__).parent, arguments.socket, arguments.log, arguments.seconds, warm_session)
