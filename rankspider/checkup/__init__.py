"""What is looked at before a run: settings, servers, licences and clocks. Changes nothing."""
