"""What a device is and how to reach it: profiles, fingerprints, hosts."""
