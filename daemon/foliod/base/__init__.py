"""What every stage may use: records, errors, settings, logs."""
