"""The reports of a run in every format, its evidence folder, and judging that folder again.

Written on the controller when the run has ended, from the ledger and what was seen; nothing here judges. Imported
only where one of these is asked for.
"""
