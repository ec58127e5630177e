"""What `arb doctor` looks at before a trader starts: host, settings, keys, venues, Redis."""
