"""Traffic and the metrics that come of it, scraped or asked."""
