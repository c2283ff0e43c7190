"""One module an isolation technology: its launch measurement, and what its hosts vary."""
