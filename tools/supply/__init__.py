"""Supply-chain checks: locks, licences, bills of materials and security advisories."""
