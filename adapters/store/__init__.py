"""Where the journal is kept. Every store passes the suite in `tests/contract/test_store.py`."""
