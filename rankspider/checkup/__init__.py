"""Look before a run at settings, servers, licences and clocks, and change nothing."""
