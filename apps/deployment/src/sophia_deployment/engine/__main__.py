"""`python -m sophia_deployment.engine --state DIRECTORY`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sophia_deployment.engine.process import main

parser = argparse.ArgumentParser(prog="python -m sophia_deployment.engine", description="Run Sophia's engine.")
parser.add_argument("--state", type=Path, required=True, metavar="DIRECTORY", help="the state directory, .sophia")
sys.exit(main(parser.parse_args().state))
