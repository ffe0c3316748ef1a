"""What is sold: SKUs and their codes, items, barcodes, bundles, and the import of all of them."""
