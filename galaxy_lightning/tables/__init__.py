"""Tables of predictions in the formats that astronomers' tools read: CSV, FITS, VOTable, ECSV and Parquet."""
