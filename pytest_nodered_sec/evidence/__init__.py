"""The reports of a run: HDF, HTML, job summary, evidence folder; and judging an evidence folder again.

Written on the controller when the run has ended, from the ledger and what was seen; nothing here judges. Imported
only where one of these is asked for.
"""
