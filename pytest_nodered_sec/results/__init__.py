"""Records, roll-up and run facts: plain values between the ledger and every report."""
