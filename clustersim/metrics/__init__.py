"""Traffic and the resulting metrics, scraped or queried."""
