"""The engine: the one process that owns a state directory. It decides nothing by itself and serves nobody's traffic.

process     claims the state, starts the rest, ends when it is told to or when a newer engine takes over
journal     the ledger and its fold, one after the other
commands    what people ask for, as submissions to the ledger
restoring   what the ledger says runs and does not, brought back before anything goes on
tending     what nobody asks for: retiring what is no longer needed, bringing back what died
showing     what stands, in the words of the wire
reports     a report for every run that ends

python -m sophia_deployment.engine --state DIRECTORY
"""
