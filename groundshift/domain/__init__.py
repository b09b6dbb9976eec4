"""Words of the field as values: eras, bands, signatures, grids, cells, time."""
