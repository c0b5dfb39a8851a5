"""The judgement: observation and policy in, verdict out. Pure; standard library and our own values only."""
