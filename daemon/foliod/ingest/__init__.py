"""Documents that wait: claimed under a lease, read in a worker, stored, embedded."""
