"""`python -m sophia_deployment.cli`: the command line where no script is installed."""

from sophia_deployment.cli import main

main()
