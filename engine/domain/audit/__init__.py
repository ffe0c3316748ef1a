"""Looking back and looking over: the past told again, and the laws of the ledger checked."""
