"""What is left of a run for others to read: HDF, a page, a job summary, a folder of evidence, and judging it again.

Written on the controller when the run has ended, from the ledger and what was seen; nothing here judges. Imported
only where one of these is asked for.
"""
